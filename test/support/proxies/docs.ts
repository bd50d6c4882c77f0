import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../etcd/project.js';

/** Returns the configuration under a heading of docs/proxies.md, so that tests run exactly the documented one. */
export function configOf(heading: string): string {
  const page = readFileSync(join(projectRoot(), 'docs/proxies.md'), 'utf8');
  const section = page.split(/^### /m).find((text) => text.startsWith(`${heading}\n`));
  const block = /^```(?:nginx|haproxy)\n(.*?)^```$/ms.exec(section ?? '')?.[1];
  if (block === undefined) throw new Error(`docs/proxies.md has no configuration under the heading ${heading}`);
  return block;
}

/** Returns a configuration without the lines that contain one of these words. */
export function without(config: string, ...words: readonly string[]): string {
  for (const word of words) if (!config.includes(word)) throw new Error(`there is no line with ${word} in ${config}`);
  return config
    .split('\n')
    .filter((line) => !words.some((word) => line.includes(word)))
    .join('\n');
}
