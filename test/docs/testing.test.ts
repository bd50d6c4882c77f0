import { afterAll, describe, expect, test } from '@jest/globals';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { blocksOf, scratchFolder } from '../support/docs/blocks.js';
import { projectRoot } from '../support/etcd/project.js';
import { takeTests } from './collected.js';

describe('the tests in docs/testing.md', () => {
  const folder = scratchFolder();
  const blocks = blocksOf('docs/testing.md');
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('are there', () => expect(blocks.length).toBeGreaterThan(5));

  test.each(blocks)('$place passes', async ({ place, code }) => {
    const file = join(folder, `${place.replace(/\W/g, '_')}.ts`);
    writeFileSync(file, `import { expect, test } from '${join(projectRoot(), 'test/docs/collected')}';\n${code}`);
    await import(file);
    const tests = takeTests();
    expect(tests).toHaveLength(1);
    const before = expect.getState().assertionCalls;
    for (const run of tests) await run();
    expect(expect.getState().assertionCalls).toBeGreaterThan(before);
  });
});
