import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { blocksOf, scratchFolder, transcriptOf, writeBlock } from '../support/docs/blocks.js';
import { runProgram, stopsEtcd } from '../support/docs/program.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { projectRoot } from '../support/etcd/project.js';

const [headline] = blocksOf('README.md');
const transcript = transcriptOf(headline?.code ?? '') ?? [];

describe('the headline example of README.md', () => {
  let server: EtcdServer;
  let folder: string;
  beforeAll(async () => {
    folder = scratchFolder();
    server = await startEtcd({ own: true });
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await server.stop();
  });

  it('starts without etcd, and logs its documented output, including an invalid value, a deletion and a lost connection', async () => {
    expect(stopsEtcd(transcript)).toBe(true);
    const code = headline?.code.replace('http://127.0.0.1:2379', server.endpoint) ?? '';
    const file = join(folder, writeBlock(folder, { place: 'headline', code }));
    const run = await runProgram({ server, args: ['--import', 'tsx', file], cwd: projectRoot(), transcript });
    expect(run.shown).toEqual(transcript);
    expect(run.afterAuth.at(-1)).toBe('failed: grey, 1000 ms');
    expect(run).toMatchObject({ stderr: '', exitCode: 0 });
  }, 300_000);

  it('shows each status except failed, which the table below it explains', () => {
    const shown = new Set(transcript.flatMap((line) => /^(\w+): /.exec(line)?.[1] ?? []));
    expect([...shown].toSorted()).toEqual(['invalid', 'live', 'loading', 'stale']);
  });
});
