import { describe, expect, test } from '@jest/globals';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { refusalOfProgress } from '../../src/watch/messages.js';
import { parseVersion } from '../../src/transport/endpoints/version.js';

import { withEtcd } from './support/fixture.js';
import { failureOf, only } from './support/outcomes.js';
import { batches, last, seenAtLeast, shownBatch, updated } from './support/watching.js';

const fixture = withEtcd({ own: true });
const isOrdered = (): boolean => refusalOfProgress(parseVersion(fixture.server.version), {}) === undefined;

describe.each(['websocket', 'chunked'] as const)('requestProgress over %s', (transport) => {
  const client = () => fixture.client({ streams: { transport } });

  test('brings a bookmark to every watch of the client, or fails with the version that supports it', async () => {
    const etcd = client();
    const all = [await batches(etcd, 'every/a'), await batches(etcd.namespace('every/'), { prefix: 'b/' })];
    const { header } = await only(fixture.etcd.kv.put('elsewhere', ''));
    if (!isOrdered()) {
      const error = await failureOf(etcd.requestProgress());
      expect(error).toMatchObject({ reason: 'UnsupportedServerVersion', required: '3.4.25', found: fixture.server.version });
      return;
    }
    await only(etcd.requestProgress());
    for (const seen of all) {
      await updated(seen, ({ revision }) => revision === header.revision);
      expect(last(seen)).toMatchObject({ type: 'progress', events: [], header });
    }
  });

  test('repeats the bookmark of a watch that is up to date, right after its start and after an event', async () => {
    if (!isOrdered()) return;
    const etcd = client();
    const seen = await batches(etcd, 'seen');
    await etcd.promises.requestProgress();
    await seenAtLeast(seen, 2);
    expect(seen.values[1]).toMatchObject({ type: 'progress', revision: seen.values[0]?.revision });
    const { header } = await only(etcd.kv.put('seen', ''));
    await seenAtLeast(seen, 3);
    await etcd.promises.requestProgress();
    await seenAtLeast(seen, 4);
    expect(seen.values.slice(2).map(shownBatch)).toEqual([`events ${header.revision} put seen=`, `progress ${header.revision}`]);
  });
});

describe('requestProgress', () => {
  test('brings an older watch its bookmark while a younger one waits for its first revision', async () => {
    if (!isOrdered()) return;
    const etcd = fixture.client();
    const older = await batches(etcd, 'older');
    await only(fixture.etcd.kv.put('elsewhere', ''));
    const younger = await batches(etcd, 'younger');
    await only(etcd.requestProgress());
    await seenAtLeast(younger, 2);
    // Newer servers respond only when the store has a newer revision.
    const { header } = await only(etcd.kv.put('younger', ''));
    await updated(older, ({ type, revision }) => type === 'progress' && revision >= header.revision - 1);
  });

  test('sends nothing and completes if there is no watch', async () => {
    const etcd = fixture.client();
    await expect(lastValueFrom(etcd.requestProgress())).resolves.toBeUndefined();
    expect(await firstValueFrom(etcd.connection$)).toEqual({ status: 'idle' });
  });

  test('errors when the client is closed', async () => {
    const etcd = fixture.client();
    await etcd.close();
    expect(await failureOf(etcd.requestProgress())).toMatchObject({ reason: 'ClientClosed' });
  });
});

test('the batches of a watch have the header of the message: member, raft term, and the revision of the store', async () => {
  const etcd = fixture.client();
  const seen = await batches(etcd, 'header');
  const { header } = await only(fixture.etcd.kv.put('header', ''));
  await seenAtLeast(seen, 2);
  expect(seen.values[1]?.header).toEqual(header);
});
