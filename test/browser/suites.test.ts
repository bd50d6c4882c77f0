import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IN_A_PAGE, NOT_IN_A_PAGE } from './suites/files.js';
import { SuitePages } from './suites/suitePages.js';

/** The number of pages at a time. Most tests wait more than they compute. */
const AT_ONCE = 4;

/** Files of `test/integration` in Chromium: the same tests, with the client that pages have. `SUITES=watch,lock` runs only these. */
const files = process.env['SUITES']?.split(',') ?? IN_A_PAGE;
const folder = mkdtempSync(join(tmpdir(), 'rxetcd-suites-'));
const build = ['--import', 'tsx', join(__dirname, 'suites/build.ts'), folder, ...files];
// jest has to know the tests before it runs anything.
const titles = JSON.parse(execFileSync(process.execPath, build, { encoding: 'utf8' })) as Readonly<Record<string, readonly string[]>>;

/** The titles of the tests of a file that are left out, as `NOT_IN_A_PAGE` has them. */
const leftOut = (file: string): readonly string[] => NOT_IN_A_PAGE.filter((each) => each.file === file).map(({ title }) => title);
const runs = (file: string, title: string): boolean => leftOut(file).every((beginning) => !title.startsWith(beginning));

let pages: SuitePages;
beforeAll(async () => {
  pages = await SuitePages.start(folder);
  pages.begin(
    files.map((file) => ({ file, leftOut: leftOut(file) })),
    AT_ONCE,
  );
});
afterAll(async () => {
  await pages.close();
  rmSync(folder, { recursive: true });
});

// Each page has a time limit for each of its tests. The first test of a file awaits all of them.
jest.setTimeout(600_000);

describe.each(Object.entries(titles))('%s, in a page', (file, all) => {
  const expected = all.filter((title) => runs(file, title));

  test.each(expected)('%s', async (title) => {
    const outcomes = await pages.outcomesOf(file);
    expect(outcomes.has(title)).toBe(true);
    expect(outcomes.get(title)).toBeUndefined();
  });

  test('runs all of these tests, exits cleanly, and leaves no unhandled error', async () => {
    expect([...(await pages.outcomesOf(file)).keys()]).toEqual(expected);
  });
});

test('every excluded test exists', () => {
  for (const { file, title } of NOT_IN_A_PAGE)
    expect([title, titles[file]?.some((each) => each.startsWith(title)) ?? true]).toEqual([title, true]);
});
