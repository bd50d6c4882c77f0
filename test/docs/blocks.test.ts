import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { blocksOf, isAsExpected, scratchFolder, transcriptOf, writeBlock } from '../support/docs/blocks.js';
import { stopsEtcd } from '../support/docs/program.js';
import { findTools, run, startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { projectRoot } from '../support/etcd/project.js';
import type { Performance, Programme } from './docRunner.js';

/** Every block of these pages documents its output; of the other pages only the blocks that do are run. */
const ALL_OF = ['README.md', 'docs/api.md', 'docs/recipes.md'];
const PAGES = [
  ...ALL_OF,
  'docs/operators.md',
  'docs/errors.md',
  'docs/swagger.md',
  'docs/observability.md',
  'docs/cache.md',
  'docs/composition.md',
  'docs/imperative.md',
  'docs/migrating-from-etcd3.md',
  'docs/migrating-from-etcd3-py.md',
];

/** All blocks run one after the other. */
const RUN_MS = 300_000;

const loggingBlocks = PAGES.flatMap(blocksOf).flatMap((block) => {
  const transcript = transcriptOf(block.code);
  // Blocks that stop etcd are programs with a separate server: headline.test.ts.
  return transcript === undefined || stopsEtcd(transcript) ? [] : [{ ...block, transcript }];
});

/** The output of each block. */
async function performed(server: EtcdServer, folder: string): Promise<Map<string, readonly string[]>> {
  const blocks = loggingBlocks.map(({ place, code, transcript }) => {
    const file = join(folder, writeBlock(folder, { place, code }));
    // A block that creates a client connects to the reader's server.
    writeFileSync(file, readFileSync(file, 'utf8').replace('http://127.0.0.1:2379', server.endpoint));
    return { place, file, transcript };
  });
  const programme: Programme = { endpoint: server.endpoint, tools: dirname((await findTools()).etcdctl), blocks };
  const { stdout, stderr } = await run(process.execPath, ['--import', 'tsx', 'test/docs/docRunner.ts'], {
    cwd: projectRoot(),
    input: JSON.stringify(programme),
    timeoutMs: RUN_MS,
  });
  expect(stderr).toBe('');
  const lines = stdout.trimEnd().split('\n');
  return new Map(lines.map((line) => JSON.parse(line) as Performance).map(({ place, shown }) => [place, shown]));
}

describe('the character … in a transcript', () => {
  it.each([
    ['done at 7', 'done at …'],
    ['10 at work', '… at work'],
    ['at revision 12, try 1', 'at revision …, try 1'],
    ['a: tick 0', '…: tick 0'],
    ['0a at work', '… at work'],
  ])('matches a value: %s', (line, expected) => expect(isAsExpected(line, expected)).toBe(true));

  it.each([
    ['done at 0', 'done at …'],
    ['done at ', 'done at …'],
    ['done at undefined', 'done at …'],
    ['NaN at work', '… at work'],
    ['at revision 0, try 1', 'at revision …, try 1'],
    ['-1: tick 0', '…: tick 0'],
  ])('does not match a missing value: %s', (line, expected) => expect(isAsExpected(line, expected)).toBe(false));
});

describe('the documented output of a block', () => {
  let server: EtcdServer;
  let shown: Map<string, readonly string[]>;
  const folder = scratchFolder();
  beforeAll(async () => {
    server = await startEtcd({ own: true });
    shown = await performed(server, folder);
  }, RUN_MS + 60_000);
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await server.stop();
  });

  it.each(loggingBlocks)('$place', ({ place, transcript }) => {
    const lines = shown.get(place) ?? [];
    // A line that matches is compared as the transcript has it, as the `…` would differ.
    expect(lines.map((line, index) => (isAsExpected(line, transcript[index] ?? '') ? transcript[index] : line))).toEqual(transcript);
  });

  it.each(ALL_OF)('exists for every block of %s', (page) => {
    // A component shows values, and logs nothing.
    const programs = blocksOf(page).filter(({ code }) => !code.includes("'rxetcd/angular'"));
    expect(programs.filter(({ code }) => transcriptOf(code) === undefined)).toEqual([]);
  });
});
