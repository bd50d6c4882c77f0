import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as operators from '../../../operators/index.js';
import { projectRoot } from '../etcd/project.js';

/** A `ts` block of a page of the docs. */
export interface Block {
  /** Page and line. */
  readonly place: string;
  readonly code: string;
}

/** The `ts` blocks of a page, in their order. */
export function blocksOf(page: string): readonly Block[] {
  const text = readFileSync(join(projectRoot(), page), 'utf8');
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => ({
    place: `${page}:${text.slice(0, match.index).split('\n').length}`,
    code: match[1] ?? '',
  }));
}

/** A folder of its own in which files of TypeScript find the packages. */
export function scratchFolder(): string {
  const cache = join(projectRoot(), '.cache');
  mkdirSync(cache, { recursive: true });
  return mkdtempSync(join(cache, 'docs-'));
}

/** Writes a block as a module; gives the name of its file. */
export function writeBlock(folder: string, { place, code }: Block): string {
  const name = `${place.replace(/[/:]/g, '_')}.ts`;
  writeFileSync(join(folder, name), `${preludeOf(code)}\n${code}`);
  return name;
}

/** Names that a fragment may use without saying where they come from: of these packages, and of a program around it. */
const FROM = {
  'rxetcd/operators': Object.keys(operators),
  rxetcd: ['createClient', 'hasReason', 'isEtcdError'],
  rxjs: ['map', 'switchMap', 'concat'],
};
const AROUND = {
  etcd: "import('rxetcd').Client",
  history: "(fromRevision: number | undefined) => import('rxjs').Observable<import('rxetcd').WatchEvent>",
  request: '{ readonly signal: AbortSignal }',
  test: "typeof import('@jest/globals').test",
  expect: "typeof import('@jest/globals').expect",
};

const isUsed = (code: string, name: string): boolean => new RegExp(`(?<![.\\w$])${name}(?![\\w$])`).test(code);
const isDeclared = (code: string, name: string): boolean =>
  new RegExp(`^import [^;]*?\\b${name}\\b[^;]*? from|\\b(?:const|let|function|class) (?:{[^}]*\\b)?${name}\\b`, 'ms').test(code);

/** On one line before the block, so that the line numbers of the compiler stay right but for this one. */
function preludeOf(code: string): string {
  const missing = (name: string): boolean => isUsed(code, name) && !isDeclared(code, name);
  const imports = Object.entries(FROM).map(([pack, names]) => `import { ${names.filter(missing).join(', ')} } from '${pack}';`);
  const declared = Object.entries(AROUND)
    .filter(([name]) => missing(name))
    .map(([name, type]) => `declare const ${name}: ${type};`);
  return [...imports.filter((line) => !line.includes('{  }')), ...declared, 'export {};'].join(' ');
}

/** What begins a command that somebody gives meanwhile. */
export const PROMPT = '$ ';

/**
 * What a block says that is shown when it runs, a line each: the comments that follow `// Logs:`. Undefined where it does not say.
 */
export function transcriptOf(code: string): readonly string[] | undefined {
  const told = /^\/\/ Logs:\n((?:\/\/ .*\n)+)$/m.exec(code)?.[1];
  return told
    ?.trimEnd()
    .split('\n')
    .map((line) => line.slice('// '.length));
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Values that a program shows when it has none: a reader who copies the block would not take them for what differs from run to run. */
const NO_VALUE = '(?:0|-1|NaN|null|undefined|)(?![^\\s,;:)])';

/** Whether a line is what a transcript says: `…` stands for any value, but not for none. */
export const isAsTold = (line: string, told: string): boolean =>
  new RegExp(`^${told.split('…').map(escaped).join(`(?!${NO_VALUE}).+`)}$`).test(line);
