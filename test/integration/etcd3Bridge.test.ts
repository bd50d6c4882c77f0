import { afterEach, describe, expect, test } from '@jest/globals';
import { Etcd3 } from 'etcd3';
import { hold } from 'rxetcd';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { bridgedLock } from '../../examples/etcd3Bridge.js';
import { withEtcd } from './support/fixture.js';
import { failureWith, only } from './support/outcomes.js';
import { projectRoot } from '../support/etcd/project.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const peers: Etcd3[] = [];
afterEach(() => {
  for (const peer of peers.splice(0)) peer.close();
});

function etcd3(): Etcd3 {
  const peer = new Etcd3({ hosts: fixture.server.endpoint });
  peers.push(peer);
  return peer;
}

describe('the bridge between the locks of etcd3 and rxetcd', () => {
  test('is in the docs as it is tested here', () => {
    const example = readFileSync(join(projectRoot(), 'examples/etcd3Bridge.ts'), 'utf8');
    const code = example.slice(example.indexOf('export function')).replace('export ', '');
    expect(readFileSync(join(projectRoot(), 'docs/migrating-from-etcd3.md'), 'utf8')).toContain(code);
  });

  test('admits one program at a time, with either client', async () => {
    const ROUNDS = 8;
    let inside = 0;
    const entered: string[] = [];
    const work = async (who: string): Promise<void> => {
      inside += 1;
      expect(inside).toBe(1);
      entered.push(who);
      await delay(2);
      expect(inside).toBe(1);
      inside -= 1;
    };
    const ours = async (): Promise<void> => {
      const etcd = fixture.client();
      for (let round = 0; round < ROUNDS; round += 1) {
        const held = await hold(bridgedLock(etcd, 'bridge/job', 30));
        await work('rxetcd');
        await held.release();
      }
    };
    const theirs = async (): Promise<void> => {
      const peer = etcd3();
      for (let round = 0; round < ROUNDS;) {
        const lock = peer.lock('bridge/job').ttl(30);
        const isOwner = await lock.acquire().then(
          () => true,
          () => false,
        );
        if (isOwner) {
          await work('etcd3');
          await lock.release();
          round += 1;
        }
        await delay(3);
      }
    };
    await Promise.all([ours(), ours(), theirs(), theirs()]);
    expect(entered.filter((who) => who === 'etcd3')).toHaveLength(2 * ROUNDS);
    expect(entered).toHaveLength(4 * ROUNDS);
    expect(await only(fixture.etcd.kv.count({ prefix: 'bridge/job' }))).toBe(0);
  });

  test('excludes programs that use only the lock of rxetcd', async () => {
    const { etcd } = fixture;
    const held = await hold(bridgedLock(etcd, 'bridge/moved', 30));
    await failureWith('Locked', etcd.tryLock('bridge/moved'));
    await expect(etcd3().lock('bridge/moved').acquire()).rejects.toThrow();
    await held.release();
    await using lock = await hold(etcd.lock('bridge/moved'));
    const waiting = hold(bridgedLock(etcd, 'bridge/moved', 30));
    await waitForValue(
      () => only(etcd.kv.count({ prefix: 'bridge/moved/' })),
      (count) => count === 2,
    );
    expect(await only(etcd.kv.exists('bridge/moved'))).toBe(false);
    await lock.release();
    await (await waiting).release();
  });

  test('is lost with either key', async () => {
    const { etcd } = fixture;
    for (const lostKey of ['bridge/lost', { prefix: 'bridge/lost/' }]) {
      const held = await hold(bridgedLock(etcd, 'bridge/lost', 30));
      await only(etcd.kv.delete(lostKey));
      await expect(held.lost).rejects.toThrow('deleted');
      await held.release();
      expect(await only(etcd.kv.count({ prefix: 'bridge/lost' }))).toBe(0);
    }
  });
});
