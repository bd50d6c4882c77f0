import { afterAll, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { createClient } from 'rxetcd';
import { readSeed } from '../../../../src/testing/server/seed.js';
import { projectRoot } from '../../../support/etcd/project.js';
import { run } from '../../../support/etcd/run.js';
import { waitFor } from '../../../support/waitFor.js';

const CLI = ['--import', 'tsx', 'src/testing/server/cli.ts'];
const folder = mkdtempSync(join(tmpdir(), 'rxetcd-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function fileWith(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

test('rxetcd dev loads the keys of a file, logs its work, and ends on SIGINT', async () => {
  const seed = fileWith('seed.json', '{"app/color": "red", "app/config": {"retries": 3}}');
  const dev = spawn(process.execPath, [...CLI, 'dev', '--port', '0', '--seed', seed], {
    cwd: projectRoot(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(dev, 'close');
  let shown = '';
  dev.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
  });
  await waitFor('the endpoint', () => shown.includes('2 keys from'));
  expect(shown).toContain('in memory, for development: not durable');
  const etcd = createClient({ endpoints: /http:\S+/.exec(shown)?.[0] ?? '' });
  expect((await firstValueFrom(etcd.kv.get('app/config')))?.value).toBe('{"retries":3}');
  const watch = etcd.watch({ prefix: 'app/' }).subscribe();
  const lease = etcd.lease({ ttl: 30 }).subscribe();
  await waitFor(
    'the watch and the lease',
    () => shown.includes('watch + "app/" to "app0"') && /lease \+ \d+ ttl 30 s \(1 held\)/.test(shown),
  );
  watch.unsubscribe();
  lease.unsubscribe();
  await waitFor('their end', () => shown.includes('watch - "app/"') && shown.includes('lease - '));
  await etcd.close();
  dev.kill('SIGINT');
  expect(await closed).toEqual([0, null]);
  expect(shown).toContain('closed; nothing was kept');
});

test('rxetcd dev rejects an address that other machines can reach', async () => {
  const { stderr, code } = await run(process.execPath, [...CLI, 'dev', '--host', '0.0.0.0'], { cwd: projectRoot() });
  expect(stderr).toBe('--host: 0.0.0.0 can be reached from other machines, and the server has no TLS; add --expose to allow this\n');
  expect(code).toBe(1);
});

describe('the seed file of rxetcd dev', () => {
  test.each([
    ['not JSON', '{"a": 1,', ': expected JSON: '],
    ['a list', '[]', ':1: expected an object of keys and values'],
    ['an empty key', '{\n"a": 1,\n"": 2}', ':3: key "": expected a key that is not empty'],
    ['a long value', `{"a": 1,\n"long": "${'x'.repeat(2_000_000)}"}`, ':2: key "long": expected at most 1572864 bytes'],
  ])('is rejected with the path of the fault: %s', (_, text, message) => {
    const file = fileWith('bad.json', text);
    expect(() => readSeed(file)).toThrow(file);
    expect(() => readSeed(file)).toThrow(message);
  });
});
