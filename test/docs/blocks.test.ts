import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { blocksOf, isAsTold, scratchFolder, transcriptOf, writeBlock } from '../support/docs/blocks.js';
import { stopsEtcd } from '../support/docs/program.js';
import { findTools, run, startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { projectRoot } from '../support/etcd/project.js';
import type { Performance, Programme } from './docRunner.js';

/** Every block of these says what it shows; of the other pages those that do are run. */
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

const told = PAGES.flatMap(blocksOf).flatMap((block) => {
  const transcript = transcriptOf(block.code);
  // Those that stop etcd are programs with a server for themselves: headline.test.ts.
  return transcript === undefined || stopsEtcd(transcript) ? [] : [{ ...block, transcript }];
});

/** Of each block what was shown. */
async function performed(server: EtcdServer, folder: string): Promise<Map<string, readonly string[]>> {
  const blocks = told.map(({ place, code, transcript }) => {
    const file = join(folder, writeBlock(folder, { place, code }));
    // A block that makes a client itself makes it for the server of whoever copies it.
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

describe('the … of a transcript', () => {
  it.each([
    ['done at 7', 'done at …'],
    ['10 at work', '… at work'],
    ['at revision 12, try 1', 'at revision …, try 1'],
    ['a: tick 0', '…: tick 0'],
    ['0a at work', '… at work'],
  ])('stands for a value: %s', (line, told) => expect(isAsTold(line, told)).toBe(true));

  it.each([
    ['done at 0', 'done at …'],
    ['done at ', 'done at …'],
    ['done at undefined', 'done at …'],
    ['NaN at work', '… at work'],
    ['at revision 0, try 1', 'at revision …, try 1'],
    ['-1: tick 0', '…: tick 0'],
  ])('does not stand for none: %s', (line, told) => expect(isAsTold(line, told)).toBe(false));
});

describe('what the blocks of the docs say that they log', () => {
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

  it.each(told)('$place', ({ place, transcript }) => {
    const lines = shown.get(place) ?? [];
    // A line that is as it was told is shown so, lest the `…` in it make a difference.
    expect(lines.map((line, index) => (isAsTold(line, transcript[index] ?? '') ? transcript[index] : line))).toEqual(transcript);
  });

  it.each(ALL_OF)('is there for every block of %s', (page) => {
    // A component shows, and logs nothing.
    const programs = blocksOf(page).filter(({ code }) => !code.includes("'rxetcd/angular'"));
    expect(programs.filter(({ code }) => transcriptOf(code) === undefined)).toEqual([]);
  });
});
