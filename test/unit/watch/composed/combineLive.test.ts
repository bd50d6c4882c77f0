import { afterEach, describe, expect, test } from '@jest/globals';
import * as t from 'io-ts';
import { del, hasReason, InvalidValueError, put, type Client, type CombinedUpdate } from 'rxetcd';
import { createTestEtcd, type TestServer } from 'rxetcd/testing';
import { firstValueFrom, map } from 'rxjs';
import { waitFor } from '../../../support/waitFor.js';
import { watching, type Seen } from '../support.js';

const PARTS = {
  limits: { key: 'app/limits', codec: t.type({ requests: t.number }) },
  flags: { prefix: 'app/flags/' },
  primary: { key: 'primary' },
} as const;
type Update = CombinedUpdate<typeof PARTS>;

/** An emission in a line. */
function shown({ type, value: { limits, flags, primary }, changed }: Update): string {
  const on = [...flags.values()].map(({ key }) => key.slice('app/flags/'.length)).sort();
  return `${type}: ${limits?.requests ?? '-'} [${on.join()}] ${primary?.value ?? '-'} (${changed.join()})`;
}
const shownOf = ({ values }: Seen<Update>): string[] => values.map(shown);

let server: TestServer;
function made(latencyMs = 0): Client {
  const test = createTestEtcd({ latencyMs, client: { streams: { initialBackoffMs: 1, maxBackoffMs: 5 } } });
  ({ server } = test);
  return test.etcd;
}
afterEach(() => server.close());

const emitted = (seen: Seen<unknown>, count: number): Promise<unknown> =>
  waitFor(`${count} emissions`, () => seen.values.length >= count || seen.errors.length > 0);

describe('combineLive', () => {
  test('emits a snapshot, and then each revision that changes a part, whole', async () => {
    const { combineLive } = made();
    server.put('app/limits', '{"requests":1}');
    const seen = watching(combineLive(PARTS));
    await emitted(seen, 1);
    server.txn({ success: [put('app/limits', '{"requests":2}'), put('app/flags/beta', 'on'), put('primary', 'a')] });
    server.put('between', 'the parts');
    server.put('app/flags/alpha', 'on');
    server.txn({ success: [del({ prefix: 'app/' }), put('primary', 'b')] });
    await emitted(seen, 4);
    expect(shownOf(seen)).toEqual([
      'snapshot: 1 [] - (limits,flags,primary)',
      'change: 2 [beta] a (limits,flags,primary)',
      'change: 2 [alpha,beta] a (flags)',
      'change: - [] b (limits,flags,primary)',
    ]);
    expect(seen.values.map(({ revision }) => revision)).toEqual([2, 3, 5, 6]);
  });

  test('keeps the objects of unchanged parts, also through a new list', async () => {
    const { combineLive } = made();
    server.txn({ success: [put('app/limits', '{"requests":1}'), put('app/flags/beta', 'on'), put('primary', 'a')] });
    const seen = watching(combineLive(PARTS));
    await emitted(seen, 1);
    server.disconnect();
    server.put('primary', 'b');
    server.put('primary', 'c');
    server.compact();
    server.connect();
    await emitted(seen, 2);
    expect(shownOf(seen)).toEqual(['snapshot: 1 [beta] a (limits,flags,primary)', 'resync: 1 [beta] c (primary)']);
    const [before, after] = seen.values;
    expect(after?.value.flags).toBe(before?.value.flags);
    expect(after?.value.limits).toBe(before?.value.limits);
  });

  test('emits nothing for a new list that changes no part', async () => {
    const { combineLive } = made();
    server.put('primary', 'a');
    const seen = watching(combineLive(PARTS));
    await emitted(seen, 1);
    server.disconnect();
    server.put('between', '1');
    server.put('between', '2');
    server.compact();
    server.connect();
    await waitFor('the new list', () => server.watches.length > 0);
    server.put('primary', 'b');
    await emitted(seen, 2);
    expect(shownOf(seen)).toEqual(['snapshot: - [] a (limits,flags,primary)', 'change: - [] b (primary)']);
  });

  test('reads all parts at one revision', async () => {
    const { combineLive } = made(20);
    server.txn({ success: [put('app/limits', '{"requests":1}'), put('primary', '1')] });
    const seen = watching(combineLive(PARTS));
    // The first part was read, and the others are not yet.
    await waitFor('the first read', () => server.calls.some(({ rpc }) => rpc === 'KV.Range'));
    server.txn({ success: [put('app/limits', '{"requests":2}'), put('primary', '2')] });
    await emitted(seen, 2);
    expect(shownOf(seen)).toEqual(['snapshot: 1 [] 1 (limits,flags,primary)', 'change: 2 [] 2 (limits,primary)']);
  });

  test('errors with an invalid value, or reports it and keeps the last valid one', async () => {
    const { combineLive } = made();
    server.put('app/limits', '{"requests":1}');
    const reported: string[] = [];
    const strict = watching(combineLive(PARTS));
    const lenient = watching(combineLive(PARTS, { onInvalid: ({ message }, part) => reported.push(`${part}: ${message}`) }));
    await emitted(lenient, 1);
    server.put('app/limits', '{"requests":"many"}');
    server.txn({ success: [put('primary', 'a'), put('app/limits', '{}')] });
    await emitted(lenient, 2);
    expect(strict.errors).toEqual([expect.any(InvalidValueError)]);
    expect(shownOf(lenient)).toEqual(['snapshot: 1 [] - (limits,flags,primary)', 'change: 1 [] a (primary)']);
    expect(reported).toEqual([expect.stringMatching(/^limits: .*app\/limits.*requests/), expect.stringMatching(/^limits: /)]);
  });

  test('begins with undefined for a value that is invalid from the start', async () => {
    const { combineLive } = made();
    server.put('app/limits', 'no JSON');
    const seen = watching(combineLive(PARTS, { onInvalid: () => undefined }));
    await emitted(seen, 1);
    server.put('app/limits', '{"requests":3}');
    await emitted(seen, 2);
    expect(shownOf(seen)).toEqual(['snapshot: - [] - (limits,flags,primary)', 'change: 3 [] - (limits)']);
  });

  test('sees a key in each part that holds it', async () => {
    const { combineLive } = made();
    const seen = watching(combineLive({ all: { prefix: 'a/' }, one: { key: 'a/b' } }));
    await emitted(seen, 1);
    server.put('a/b', '1');
    await emitted(seen, 2);
    expect(seen.values[1]?.changed).toEqual(['all', 'one']);
    expect(seen.values[1]?.value.all.get('a/b')).toBe(seen.values[1]?.value.one);
  });

  test('shares one watch among subscribers of the same parts, and emits a snapshot to a late one', async () => {
    const { combineLive } = made();
    const first = watching(combineLive(PARTS));
    await emitted(first, 1);
    server.put('primary', 'a');
    await emitted(first, 2);
    const late = watching(combineLive({ same: { key: 'app/limits' }, flags: PARTS.flags, primary: PARTS.primary }));
    await emitted(late, 1);
    expect(late.values).toMatchObject([{ type: 'snapshot', revision: 2, changed: ['same', 'flags', 'primary'] }]);
    expect(server.watches).toHaveLength(1);
  });

  test('emits to a late subscriber the newest state that its client has received', async () => {
    const { combineLive, kv } = made();
    const first = watching(combineLive(PARTS));
    await emitted(first, 1);
    const late = await firstValueFrom(kv.put('primary', 'mine').pipe(map(() => watching(combineLive(PARTS)))));
    await emitted(late, 1);
    expect(late.values[0]?.value.primary?.value).toBe('mine');
  });

  test('contains only the keys of its namespace', async () => {
    const etcd = made();
    const seen = watching(etcd.namespace('tenant/').combineLive(PARTS));
    await emitted(seen, 1);
    server.put('primary', 'another');
    server.txn({ success: [put('tenant/app/flags/beta', 'on'), put('tenant/primary', 'a')] });
    await emitted(seen, 2);
    expect(shownOf(seen).at(-1)).toBe('change: - [beta] a (flags,primary)');
    const all = watching(etcd.namespace('tenant/').combineLive({ all: { all: true }, from: { from: 'primary' } }));
    await emitted(all, 1);
    expect([...(all.values[0]?.value.all.keys() ?? [])].sort()).toEqual(['app/flags/beta', 'primary']);
    expect([...(all.values[0]?.value.from.keys() ?? [])]).toEqual(['primary']);
  });

  test('completes when the client is closed', async () => {
    const etcd = made();
    const seen = watching(etcd.combineLive(PARTS));
    await emitted(seen, 1);
    await etcd.close();
    expect(seen).toMatchObject({ completed: true, errors: [] });
    expect(server.watches).toEqual([]);
  });

  test.each([
    [{}, 'parts of combineLive: expected an object with at least one part'],
    [{ a: 'text' }, 'part a of combineLive: expected a range as an object'],
    [{ a: { prefix: 'a', codec: t.number } }, 'part a of combineLive: expected { key, codec }'],
    [{ a: { key: 'a', codec: 'json' } }, 'part a of combineLive: expected { key, codec }'],
    [{ a: { keys: 'a' } }, 'range: expected'],
    [{ a: { from: 'b', to: 'a' } }, 'range: expected { from, to } with from below to'],
  ])('rejects %j', async (parts, message) => {
    const { combineLive } = made();
    const seen = watching(combineLive(parts as never));
    await waitFor('an error', () => seen.errors.length > 0);
    expect(seen.errors[0]).toMatchObject({ reason: 'InvalidArgument', message: expect.stringContaining(message) });
  });
});

describe('combineLiveState', () => {
  test('begins with loading, and never errors', async () => {
    const { combineLiveState } = made();
    server.put('app/limits', '{"requests":1}');
    const seen = watching(combineLiveState(PARTS));
    await waitFor('it is live', () => seen.values.at(-1)?.status === 'live');
    server.txn({ success: [put('app/limits', '"many"'), put('primary', 'a')] });
    await waitFor('it is invalid', () => seen.values.at(-1)?.status === 'invalid');
    const invalid = seen.values.at(-1);
    expect(hasReason(invalid?.error, 'InvalidValue')).toBe(true);
    expect([invalid?.value?.limits?.requests, invalid?.value?.primary?.value]).toEqual([1, 'a']);
    server.disconnect();
    server.breakConnections();

    server.connect();
    server.put('app/limits', '{"requests":2}');
    await waitFor('it is live again', () => seen.values.at(-1)?.value?.limits?.requests === 2);
    expect(seen.values[0]).toEqual({ status: 'loading', value: undefined, error: undefined });
    expect(seen.values.at(-1)?.status).toBe('live');
    expect(seen.errors).toEqual([]);
  });

  test('shows parts that are invalid as a failure', async () => {
    const { combineLiveState } = made();
    const seen = watching(combineLiveState({}));
    await waitFor('it failed', () => seen.values.at(-1)?.status === 'failed');
    expect(seen).toMatchObject({ completed: true, errors: [] });
  });
});

describe('a user who may read the parts, and not the keys between them', () => {
  /** Returns clients of a store with the keys `ns/p/1` and `ns/r/1`: of root, and of a user who may read these prefixes. */
  async function users(): Promise<{ root: Client; cat: Client }> {
    const etcd = made();
    const [root, cat] = [
      { username: 'root', password: 'r' },
      { username: 'cat', password: 'c' },
    ];
    server.txn({ success: [put('ns/p/1', '1'), put('ns/r/1', '1')] });
    const { auth } = etcd;
    for (const { username, password } of [root, cat]) await firstValueFrom(auth.userAdd(username, { password }));
    for (const role of ['root', 'parts']) await firstValueFrom(auth.roleAdd(role));
    for (const prefix of ['ns/p/', 'ns/r/']) await firstValueFrom(auth.roleGrantPermission('parts', 'READ', { prefix }));
    await firstValueFrom(auth.userGrantRole('root', 'root'));
    await firstValueFrom(auth.userGrantRole('cat', 'parts'));
    await firstValueFrom(auth.enable());
    return { root: etcd.withAuth(root), cat: etcd.withAuth(cat) };
  }

  test('receives the range that needs permission, in a namespace and for a config, and never a partial state', async () => {
    const { root, cat } = await users();
    const whole = watching(cat.combineLive({ a: { prefix: 'ns/p/' }, b: { prefix: 'ns/r/' } }));
    const inNamespace = watching(cat.namespace('ns/').combineLive({ a: { prefix: 'p/' }, b: { prefix: 'r/' } }));
    const config = watching(cat.liveConfig(['ns/p/', 'ns/r/'], { codec: t.UnknownRecord }));
    const state = watching(cat.liveConfigState(['ns/p/', 'ns/r/'], { codec: t.UnknownRecord }));
    await waitFor('the failures', () => [whole, inNamespace, config].every(({ errors }) => errors.length > 0));
    await waitFor('the failed state', () => state.values.at(-1)?.status === 'failed');
    const denied = (cover: string) => ({
      reason: 'PermissionDenied',
      rpc: 'Watch.Watch',
      message: expect.stringContaining(
        `the user has no permission to read all keys ${cover}; grant read permission on these keys to one of the roles of the user, or choose ranges that are adjacent`,
      ),
    });
    expect(whole.errors).toMatchObject([denied('from "ns/p/" up to "ns/r0"')]);
    expect(inNamespace.errors).toMatchObject([denied('from "p/" up to "r0" of the namespace')]);
    expect(config.errors).toMatchObject([denied('from "ns/p/" up to "ns/r0"')]);
    expect(state.values.at(-1)?.error?.message).toContain('from "ns/p/" up to "ns/r0"');

    await firstValueFrom(root.auth.roleGrantPermission('parts', 'READ', { from: 'ns/p/', to: 'ns/r0' }));
    const granted = watching(cat.liveConfig(['ns/p/', 'ns/r/'], { codec: t.UnknownRecord }));
    await emitted(granted, 1);
    server.put('ns/r/1', '2');
    await emitted(granted, 2);
    expect(granted.values.at(-1)?.config).toEqual({ 1: '2' });
  });

  test('receives the error of the list for a part that it may not read at all', async () => {
    const { cat } = await users();
    const seen = watching(cat.combineLive({ a: { prefix: 'ns/p/' }, b: { key: 'other' } }));
    await waitFor('the failure', () => seen.errors.length > 0);
    expect([seen.values, seen.errors]).toMatchObject([[], [{ reason: 'PermissionDenied', rpc: 'KV.Range' }]]);
  });
});
