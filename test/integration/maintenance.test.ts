import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { memberId, type AlarmFilter } from 'rxetcd';
import { mergeMap, range } from 'rxjs';
import { snapshotStatus } from '../support/etcd/index.js';
import { withEtcd } from './support/fixture.js';
import { all, failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd({ own: true });

/** An RPC that a server does not support must name the required version. */
async function unsupported(source: Parameters<typeof failureWith>[1], required: string): Promise<void> {
  const error = await failureWith('UnsupportedServerVersion', source);
  expect(error).toMatchObject({ required, found: fixture.server.version, code: 'Unimplemented', endpoint: fixture.server.endpoint });
  expect(error.message).toContain(`needs etcd ${required} or newer; this server is ${fixture.server.version}`);
}

describe('maintenance', () => {
  test('status returns the version, sizes and log position of a member', async () => {
    const { maintenance, kv } = fixture.etcd;
    await only(kv.put('status/a', 'x'));
    const status = await only(maintenance.status());
    expect(status.version).toBe(fixture.server.version);
    expect(status.leader).toBe(status.header.memberId);
    expect(status.dbSize).toBeGreaterThan(0);
    expect(status.raftIndex).toBeGreaterThan(0);
    expect(status.raftTerm).toBe(status.header.raftTerm);
    expect(status).toMatchObject({ isLearner: false, errors: [] });
    // 3.3 describes these fields, but does not send them.
    for (const reported of [status.dbSizeInUse, status.raftAppliedIndex]) expect(reported > 0).toBe(fixture.has('3.4'));
    expect(status.downgradeInfo).toEqual(fixture.has('3.6') ? { enabled: false, targetVersion: '' } : undefined);
    expect(status.storageVersion).toMatch(fixture.has('3.6') ? /^(3\.\d+\.0)?$/ : /^$/);
  });

  test('raises, lists and disarms alarms; writes fail while NOSPACE is raised', async () => {
    const { maintenance, kv } = fixture.etcd;
    const { memberId } = (await only(maintenance.status())).header;
    expect((await only(maintenance.alarms())).alarms).toEqual([]);

    const raised = { memberId, alarm: 'NOSPACE' } as const;
    expect((await only(maintenance.alarmActivate(raised))).alarms).toEqual([raised]);
    expect((await only(maintenance.alarms())).alarms).toEqual([raised]);
    expect((await only(maintenance.status())).errors.join()).toEqual(fixture.has('3.4') ? expect.stringContaining('NOSPACE') : '');
    await failureWith('NoSpace', kv.put('alarm/a', 'x'));
    expect(await only(kv.count({ prefix: 'alarm/' }))).toBe(0);

    expect((await only(maintenance.alarmDeactivate(raised))).alarms).toEqual([raised]);
    expect((await only(maintenance.alarms())).alarms).toEqual([]);
    await only(kv.put('alarm/a', 'x'));
  });

  test('lists alarms by type and by member, and disarms all at once', async () => {
    const { maintenance } = fixture.etcd;
    const { memberId: own } = (await only(maintenance.status())).header;
    const raised = [
      { memberId: own, alarm: 'NOSPACE' },
      { memberId: own, alarm: 'CORRUPT' },
    ] as const;
    for (const alarm of raised) await only(maintenance.alarmActivate(alarm));
    const listed = async (filter: AlarmFilter): Promise<unknown> => (await only(maintenance.alarms(filter))).alarms;
    expect(await listed({ alarm: 'NONE' })).toEqual(expect.arrayContaining([...raised]));
    expect(await listed({ alarm: 'CORRUPT' })).toEqual([raised[1]]);
    expect(await listed({ memberId: own })).toHaveLength(2);
    expect(await listed({ memberId: memberId('1') })).toEqual([]);

    expect((await only(maintenance.alarmDeactivate({ alarm: 'NONE', memberId: memberId('1') }))).alarms).toEqual([]);
    const { alarms, header } = await only(maintenance.alarmDeactivate({ alarm: 'NONE' }));
    expect(alarms).toEqual(expect.arrayContaining([...raised]));
    // Older servers send this response without a member in its header.
    expect(header.memberId).toBe(fixture.has('3.5') ? own : '0');
    expect(await listed({})).toEqual([]);
  });

  test('defragment frees disk space', async () => {
    const { maintenance, kv } = fixture.etcd;
    await all(range(0, 40).pipe(mergeMap((index) => kv.put(`defragment/${index}`, new Uint8Array(100_000)))));
    const { header } = await only(kv.delete({ prefix: 'defragment/' }));
    await only(kv.compact(header.revision, { physical: true }));
    const { dbSize } = await only(maintenance.status());
    expect(dbSize).toBeGreaterThan(4_000_000);
    // Freed pages count as free only after a later write.
    const defragmented = kv.put('defragment/now', '').pipe(
      mergeMap(() => maintenance.defragment()),
      mergeMap(() => maintenance.status()),
    );
    await waitForValue(
      () => only(defragmented),
      (status) => status.dbSize < dbSize / 2,
    );
  });

  test('hash changes with the database', async () => {
    const { maintenance, kv } = fixture.etcd;
    const hash = async (): Promise<number> => (await only(maintenance.hash())).hash;
    await only(kv.put('hash/a', '1'));
    const before = await hash();
    await only(kv.put('hash/a', '2'));
    await waitForValue(hash, (now) => now !== before);
    expect(Number.isInteger(before)).toBe(true);
  });

  test('hashKv returns the hash of the keys at a revision (3.5)', async () => {
    const { maintenance, kv } = fixture.etcd;
    if (!fixture.has('3.5')) return unsupported(maintenance.hashKv(), '3.5');
    const first = (await only(kv.put('hash/b', '1'))).header.revision;
    const hash = await only(maintenance.hashKv());
    const second = (await only(kv.put('hash/b', '2'))).header.revision;
    expect((await only(maintenance.hashKv({ revision: first }))).hash).toBe(hash.hash);
    expect((await only(maintenance.hashKv({ revision: second }))).hash).not.toBe(hash.hash);
    expect(hash.hashRevision).toBe(fixture.has('3.6') ? hash.header.revision : 0);
    await failureWith('FutureRev', maintenance.hashKv({ revision: second + 1000 }));
    await only(kv.compact(second, { physical: true }));
    expect((await only(maintenance.hashKv())).compactRevision).toBe(second);
    await failureWith('Compacted', maintenance.hashKv({ revision: first }));
  });

  test('moveLeader to the current leader changes nothing', async () => {
    const { maintenance, cluster } = fixture.etcd;
    const [self] = (await only(cluster.memberList())).members;
    if (self === undefined) throw new Error('there is a member');
    expect((await only(maintenance.moveLeader(self.id))).header.revision).toBeGreaterThanOrEqual(0);
  });
});

describe('maintenance.snapshot', () => {
  test('emits parts of a file that etcd accepts, and reports its progress', async () => {
    const { maintenance, kv } = fixture.etcd;
    await all(range(0, 30).pipe(mergeMap((index) => kv.put(`snapshot/${index}`, new Uint8Array(50_000).fill(index)))));
    const { header } = await only(kv.put('snapshot/last', 'x'));
    const parts = await all(maintenance.snapshot());

    const size = parts.reduce((sum, { blob }) => sum + blob.length, 0);
    expect(parts.length).toBeGreaterThan(10);
    let sent = 0;
    for (const { blob, bytesSent, remainingBytes } of parts) {
      sent += blob.length;
      expect(bytesSent).toBe(sent);
      // The checksum at the end does not count as remaining data.
      expect([size, size - 32]).toContain(sent + remainingBytes);
    }
    expect(parts.at(-1)?.remainingBytes).toBe(0);
    // A new 3.6 takes a moment until it has one.
    expect(parts[0]?.version).toMatch(fixture.has('3.6') ? /^(3\.\d+\.0)?$/ : /^$/);

    const folder = await mkdtemp(join(tmpdir(), 'rxetcd-snapshot-'));
    try {
      const file = join(folder, 'snapshot.db');
      const saved = Buffer.concat(parts.map(({ blob }) => blob));
      await writeFile(file, saved);
      expect((await snapshotStatus(file, fixture.server.version)).revision).toBe(header.revision);
      expect(createHash('sha256').update(saved.subarray(0, -32)).digest()).toEqual(saved.subarray(-32));
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('of a server that stops meanwhile is an error, never a short file', async () => {
    const { maintenance, kv } = fixture.etcd;
    await all(range(0, 30).pipe(mergeMap((index) => kv.put(`snapshot/big/${index}`, new Uint8Array(1_000_000)))));
    let dying: Promise<void> | undefined;
    const source = maintenance.snapshot().pipe(mergeMap(async () => (dying ??= fixture.server.kill())));
    const error = await all(source).catch((reason: unknown) => reason);
    await dying;
    expect(error).toMatchObject({ reason: 'ConnectionLost', rpc: 'Maintenance.Snapshot' });
    await fixture.server.restart();
  });
});
