import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../support/etcd/project.js';

/** The generated parts of the page, each between two comments. */
const PLACES = {
  figures: ['<!-- figures: written by npm run bench -- --docs -->', '<!-- end of figures -->'],
  scale: ['<!-- scale: written by npm run bench -- --scale --docs -->', '<!-- end of scale -->'],
} as const;

/** Writes the newest figures into the page that explains them. */
export async function writeDocs(figures: string, place: keyof typeof PLACES = 'figures'): Promise<string> {
  const page = join(projectRoot(), 'docs', 'benchmarks.md');
  const text = await readFile(page, 'utf8');
  const [opening, closing] = PLACES[place];
  const [begin, end] = [text.indexOf(opening), text.indexOf(closing)];
  if (begin < 0 || end < begin) throw new Error(`${page} has no place for the figures: ${opening} … ${closing}`);
  await writeFile(page, `${text.slice(0, begin + opening.length)}\n${figures}\n${text.slice(end)}`);
  return page;
}
