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

/** A separate folder in which TypeScript files find the packages. */
export function scratchFolder(): string {
  const cache = join(projectRoot(), '.cache');
  mkdirSync(cache, { recursive: true });
  return mkdtempSync(join(cache, 'docs-'));
}

/** Writes a block as a module; returns the name of its file. */
export function writeBlock(folder: string, { place, code }: Block): string {
  const name = `${place.replace(/[/:]/g, '_')}.ts`;
  writeFileSync(join(folder, name), `${preludeOf(code)}\n${code}`);
  return name;
}

/** Names that a fragment may use without an import: of these packages, and of a surrounding program. */
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

/**
 * Returns the missing imports and declarations as one line before the block, so that the compiler's line numbers differ
 * by one only.
 */
function preludeOf(code: string): string {
  const missing = (name: string): boolean => isUsed(code, name) && !isDeclared(code, name);
  const imports = Object.entries(FROM).map(([pack, names]) => `import { ${names.filter(missing).join(', ')} } from '${pack}';`);
  const declared = Object.entries(AROUND)
    .filter(([name]) => missing(name))
    .map(([name, type]) => `declare const ${name}: ${type};`);
  return [...imports.filter((line) => !line.includes('{  }')), ...declared, 'export {};'].join(' ');
}

/** The prefix of a command that runs during the program. */
export const PROMPT = '$ ';

/**
 * Returns the documented output of a block, as lines: the comments that follow `// Logs:`. Undefined without such
 * comments.
 */
export function transcriptOf(code: string): readonly string[] | undefined {
  const expected = /^\/\/ Logs:\n((?:\/\/ .*\n)+)$/m.exec(code)?.[1];
  return expected
    ?.trimEnd()
    .split('\n')
    .map((line) => line.slice('// '.length));
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/**
 * Values that a program prints instead of a missing value. In a transcript they could be mistaken for values that
 * differ between runs.
 */
const NO_VALUE = '(?:0|-1|NaN|null|undefined|)(?![^\\s,;:)])';

/** Returns whether a line matches a line of a transcript, in which `…` is any value, but not a missing one. */
export const isAsExpected = (line: string, expected: string): boolean =>
  new RegExp(`^${expected.split('…').map(escaped).join(`(?!${NO_VALUE}).+`)}$`).test(line);
