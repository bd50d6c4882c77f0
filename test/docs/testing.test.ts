import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { blocksOf, scratchFolder } from '../support/docs/blocks.js';
import { run } from '../support/etcd/index.js';
import { projectRoot } from '../support/etcd/project.js';

/** All runners write a report in jest's format. */
interface Report {
  readonly testResults: readonly { readonly name: string; readonly assertionResults: readonly Result[]; readonly message: string }[];
}
interface Result {
  readonly status: string;
  readonly failureMessages: readonly string[];
}

const { resolve } = createRequire(__filename);
const RUNNERS = {
  jest: [resolve('jest/bin/jest'), '--config', join(__dirname, 'runners/jest.config.cjs'), '--json', '--outputFile'],
  vitest: [
    join(resolve('vitest/package.json'), '../vitest.mjs'),
    ...['run', '--config', join(__dirname, 'runners/vitest.config.mjs'), '--reporter', 'json', '--outputFile'],
  ],
};
const RUN_MS = 300_000;

const blocks = blocksOf('docs/testing.md').map((block) => ({ ...block, file: `${block.place.replace(/\W/g, '_')}.test.ts` }));

/**
 * Writes a block to a file. The file gets the parts that the docs leave to the reader: an Angular project, and a
 * Chromium for Playwright.
 */
function fileOf(code: string): string {
  const chromium = `chromium.launch({ executablePath: '${process.env['CHROMIUM'] ?? '/usr/bin/chromium'}', args: ['--no-sandbox'] })`;
  const isAngular = code.includes("'@angular/core/testing'");
  const prelude = isAngular
    ? `/** @jest-environment jsdom\n * @vitest-environment jsdom */\nimport '${join(__dirname, 'runners/testBed')}';\n`
    : '';
  return prelude + code.replace('chromium.launch()', chromium);
}

test('docs/testing.md contains tests', () => expect(blocks.length).toBeGreaterThan(5));

describe.each(['jest', 'vitest'] as const)('the tests in docs/testing.md under %s', (runner) => {
  const folder = scratchFolder();
  const results = new Map<string, readonly Result[]>();

  beforeAll(async () => {
    for (const { file, code } of blocks) writeFileSync(join(folder, file), fileOf(code));
    // A bundler finds the package by this path, as it would find the installed one by its condition `browser`.
    const paths = { rxetcd: [join(projectRoot(), 'src/index.browser.ts')] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: { paths } }));
    const report = join(folder, 'report.json');
    const env = { ...process.env, DOCS_TESTS: folder };
    const { stdout, stderr } = await run(process.execPath, [...RUNNERS[runner], report], { cwd: folder, env, timeoutMs: RUN_MS });
    try {
      const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report;
      for (const { name, assertionResults, message } of testResults)
        results.set(
          name.split('/').at(-1) ?? '',
          assertionResults.length > 0 ? assertionResults : [{ status: 'failed', failureMessages: [message] }],
        );
    } catch (error) {
      throw new Error(`${runner} wrote no report:\n${stdout}${stderr}`, { cause: error });
    }
  }, RUN_MS + 60_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each(blocks)('$place passes', ({ file }) => expect(results.get(file)).toMatchObject([{ status: 'passed', failureMessages: [] }]));
});
