import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchFolder } from '../support/docs/blocks.js';
import { run } from '../support/etcd/index.js';
import { projectRoot } from '../support/etcd/project.js';

/** Programs with promises, and the rule that reports each line. */
const LINES: readonly (readonly [code: string, rule?: string])[] = [
  ["import { createClient } from 'rxetcd';"],
  ["const etcd = createClient({ endpoints: 'http://127.0.0.1:2379' });"],
  ["await etcd.kv.put('a', '1');", '@typescript-eslint/await-thenable'],
  ["if (await etcd.kv.exists('a')) console.log('always');", '@typescript-eslint/await-thenable'],
  ["console.log(await etcd.lock('a'));", '@typescript-eslint/await-thenable'],
  ["etcd.promises.kv.put('a', '1');", '@typescript-eslint/no-floating-promises'],
  ['etcd.close();', '@typescript-eslint/no-floating-promises'],
  ["etcd.kv.put('a', '1');", 'rxjs-x/no-floating-observables'],
  ["await etcd.promises.kv.put('a', '1');"],
  ["if (await etcd.promises.kv.exists('a')) console.log('there');"],
  ["etcd.kv.put('a', '1').subscribe();"],
  ['await etcd.close();'],
];

interface LintResult {
  readonly messages: readonly { readonly line: number; readonly ruleId: string | null; readonly message: string }[];
}

const folder = scratchFolder();

/** Runs a program of the project in the folder. */
const inFolder = (program: string, ...args: readonly string[]) =>
  run(process.execPath, [join(projectRoot(), 'node_modules', program), ...args], { cwd: folder, timeoutMs: 280_000 });

beforeAll(() => {
  const page = readFileSync(join(projectRoot(), 'docs/imperative.md'), 'utf8');
  writeFileSync(join(folder, 'eslint.config.mjs'), /^```js\n(.*?)^```$/ms.exec(page)?.[1] ?? '');
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.json', include: ['*.ts'], exclude: [] }));
  writeFileSync(join(folder, 'program.ts'), LINES.map(([code]) => `${code}\n`).join(''));
});
afterAll(() => rmSync(folder, { recursive: true }));

it('the compiler accepts each mistake with Observables and promises', async () => {
  expect(await inFolder('typescript/bin/tsc', '-p', '.')).toEqual({ stdout: '', stderr: '', code: 0 });
});

it('the documented lint configuration reports each of these mistakes, and nothing else', async () => {
  const { stdout, stderr } = await inFolder('eslint/bin/eslint.js', '--format', 'json', 'program.ts');
  expect(stderr).toBe('');
  const [result] = JSON.parse(stdout) as readonly LintResult[];
  const reported = result?.messages.map(({ line, ruleId, message }) => [LINES[line - 1]?.[0], ruleId ?? message]);
  expect(reported).toEqual(LINES.filter(([, rule]) => rule !== undefined));
});
