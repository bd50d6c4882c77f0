import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../etcd/project.js';

/** The configuration under a heading of docs/proxies.md: what the docs show is what the tests run. */
export function configOf(heading: string): string {
  const page = readFileSync(join(projectRoot(), 'docs/proxies.md'), 'utf8');
  const section = page.split(/^### /m).find((text) => text.startsWith(`${heading}\n`));
  const block = /^```(?:nginx|haproxy)\n(.*?)^```$/ms.exec(section ?? '')?.[1];
  if (block === undefined) throw new Error(`docs/proxies.md has no configuration under the heading ${heading}`);
  return block;
}

/** The same without the lines that hold one of these words. */
export function without(config: string, ...words: readonly string[]): string {
  for (const word of words) if (!config.includes(word)) throw new Error(`there is no line with ${word} in ${config}`);
  return config
    .split('\n')
    .filter((line) => !words.some((word) => line.includes(word)))
    .join('\n');
}
