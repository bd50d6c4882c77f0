import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../support/etcd/project.js';

const BEGIN = '<!-- figures: written by npm run bench -- --docs -->';
const END = '<!-- end of figures -->';

/** Puts the newest figures into the page that explains them. */
export async function writeDocs(figures: string): Promise<string> {
  const page = join(projectRoot(), 'docs', 'benchmarks.md');
  const text = await readFile(page, 'utf8');
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${page} has no place for the figures: ${BEGIN} … ${END}`);
  await writeFile(page, `${text.slice(0, begin + BEGIN.length)}\n${figures}\n${text.slice(end)}`);
  return page;
}
