import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { forkJoin, type Observable } from 'rxjs';
import type { Client, ClientOptions, KeyValue, RetryPolicy } from 'rxetcd';
import { withEtcd } from './support/fixture.js';
import { failureOf, only } from './support/outcomes.js';
import { startProxy, UNHEDGED, type CountingProxy } from './support/proxy.js';
import { stopwatch } from '../support/stopwatch.js';

const MOST_OPS = 40;
const fixture = withEtcd({ own: true, args: [`--max-txn-ops=${MOST_OPS}`] });
const user = { username: 'ann', password: 'secret of ann' };

let proxy: CountingProxy;
let etcd: Client;

const clientWith = (options: Partial<ClientOptions> = {}): Client => fixture.client({ endpoints: proxy.endpoint, ...UNHEDGED, ...options });
const key = (index: number): string => `read/${index}`;
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const gets = (count: number, client = etcd): Observable<KeyValue | undefined>[] => numbers(count).map((index) => client.kv.get(key(index)));
const valuesOf = (kvs: readonly (KeyValue | undefined)[]): unknown[] => kvs.map((kv) => kv?.value);
/** The requests to the server: `range`, or `txn` with the number of operations. */
const sent = (): string[] =>
  proxy.calls.map(({ path, body }) => {
    const rpc = path.slice(path.lastIndexOf('/') + 1);
    return rpc === 'txn' ? `txn of ${(JSON.parse(body) as { success: unknown[] }).success.length}` : rpc;
  });
/** Makes the client learn the size of some values: until then its batches are small. */
const warmUp = (client = etcd) => only(forkJoin(gets(2, client)));
/** Returns the requests that are sent by `run`. */
async function sentBy(run: () => Promise<unknown>): Promise<string[]> {
  proxy.forget();
  await run();
  return sent();
}

beforeAll(async () => {
  proxy = await startProxy(fixture.server.endpoint);
  await only(forkJoin(numbers(200).map((index) => fixture.etcd.kv.put(key(index), `value ${index}`))));
});
afterAll(() => proxy.stop());
beforeEach(() => {
  etcd = clientWith();
});

describe('gets in the same turn', () => {
  test('are sent as one txn, and each emits its own key', async () => {
    await warmUp();
    expect(
      await sentBy(async () =>
        expect(valuesOf(await only(forkJoin(gets(MOST_OPS))))).toEqual(numbers(MOST_OPS).map((index) => `value ${index}`)),
      ),
    ).toEqual([`txn of ${MOST_OPS}`]);
  });

  test('of sequential promises are also sent as one txn', async () => {
    const calls = await sentBy(() => Promise.all(gets(5).map(async (get) => await only(get))));
    expect(calls).toEqual(['txn of 5']);
  });

  test('emit existing keys, and undefined for missing ones', async () => {
    const asked = ['read/1', 'none', Buffer.from('read/2'), 'read/1'].map((name) => etcd.kv.get(name));
    const kvs = await only(forkJoin(asked));
    expect(valuesOf(kvs)).toEqual(['value 1', undefined, 'value 2', 'value 1']);
    expect(kvs[0]?.toJSON()).toEqual((await only(fixture.etcd.kv.range('read/1'))).kvs[0]?.toJSON());
  });

  test('include every write that was acknowledged before them', async () => {
    for (const round of numbers(20)) {
      await only(forkJoin(numbers(3).map((index) => etcd.kv.put(`fresh/${index}`, String(round)))));
      expect(valuesOf(await only(forkJoin(numbers(3).map((index) => etcd.kv.get(`fresh/${index}`)))))).toEqual(
        Array(3).fill(String(round)),
      );
    }
  });

  test('are batched by kind: serializable ones together, and those with other options alone', async () => {
    const { kv } = etcd;
    const { header } = await only(kv.range(key(1)));
    const asked = [
      kv.get(key(1)),
      kv.get(key(2), { serializable: true }),
      kv.get(key(3), { serializable: false }),
      kv.get(key(4), { serializable: true }),
      kv.get(key(5), { revision: header.revision }),
      kv.get(key(6), { timeoutMs: 5_000 }),
      kv.get(key(7), { signal: new AbortController().signal }),
      kv.get(key(8), { endpoint: proxy.endpoint }),
    ];
    const calls = await sentBy(async () =>
      expect(valuesOf(await only(forkJoin(asked)))).toEqual(numbers(8).map((index) => `value ${index + 1}`)),
    );
    expect(calls.sort()).toEqual(['range', 'range', 'range', 'range', 'txn of 2', 'txn of 2']);
    expect(proxy.calls.filter(({ body }) => body.includes('"serializable":true'))).toHaveLength(1);
  });

  test('are sent without one that unsubscribes, and not at all if all unsubscribe', async () => {
    const calls = await sentBy(async () => {
      const [first, ...others] = gets(4);
      const seen: unknown[] = [];
      first?.subscribe((kv) => seen.push(kv)).unsubscribe();
      expect(valuesOf(await only(forkJoin(others)))).toEqual(['value 1', 'value 2', 'value 3']);
      expect(seen).toEqual([]);
      for (const get of gets(4)) get.subscribe().unsubscribe();
      await only(etcd.kv.count('read/1'));
    });
    expect(calls).toEqual(['txn of 3', 'range']);
  });

  test('copy the bytes of their keys', async () => {
    const bytes = Buffer.from('read/1');
    const both = only(forkJoin([etcd.kv.get(bytes), etcd.kv.get('read/3')]));
    bytes.write('read/2');
    expect(valuesOf(await both)).toEqual(['value 1', 'value 3']);
  });

  test('stay within a namespace', async () => {
    const { kv } = etcd.namespace('read/');
    const calls = await sentBy(async () => {
      const kvs = await only(forkJoin([kv.get('1'), kv.get('2'), kv.get('none')]));
      expect(kvs.map((kv) => kv && [kv.key, kv.value])).toEqual([['1', 'value 1'], ['2', 'value 2'], undefined]);
    });
    expect(calls).toEqual(['txn of 3']);
  });

  test('are sent individually if the option is set', async () => {
    const apart = clientWith({ batchReads: false });
    expect(await sentBy(() => only(forkJoin(gets(3, apart))))).toEqual(['range', 'range', 'range']);
  });
});

describe('the size of a batch', () => {
  const read = (names: readonly string[], client = etcd) => only(forkJoin(names.map((name) => client.kv.get(name))));
  const keysOf = (prefix: string, count: number): string[] => numbers(count).map((index) => `${prefix}/${index}`);
  const sizesOf = (kvs: readonly (KeyValue | undefined)[]): unknown[] => kvs.map((kv) => kv?.value.length);
  const fill = (names: readonly string[], size: number) => only(forkJoin(names.map((name) => fixture.etcd.kv.put(name, 'x'.repeat(size)))));

  test('is 16 reads at first, and later as many as the server accepts', async () => {
    expect(await sentBy(() => read(keysOf('read', 40)))).toEqual(['txn of 16', 'txn of 16', 'txn of 8']);
    expect(await sentBy(() => read(keysOf('read', 40)))).toEqual(['txn of 40']);
  });

  test('follows the size of the keys at their last read', async () => {
    const small = keysOf('read', 20);
    const large = keysOf('large', 8);
    await fill(large, 100_000);
    await warmUp();
    expect(await sentBy(async () => expect(sizesOf(await read(large))).toEqual(Array(8).fill(100_000)))).toEqual(['txn of 8']);
    expect(await sentBy(() => read(large))).toEqual(Array(8).fill('range'));
    // The average of all others is still small: the large ones alone leave the batch.
    await read(small);
    expect((await sentBy(() => read([...small, ...large]))).filter((call) => call === 'range')).toHaveLength(8);
    await fill(large, 10);
    await read(large);
    expect(await sentBy(() => read(large))).toEqual(['txn of 8']);
  });

  test('is limited by bytes if values have some kilobytes', async () => {
    const names = keysOf('medium', 32);
    await fill(names, 10_000);
    await read(names);
    expect(await sentBy(() => read(names))).toEqual(['txn of 9', 'txn of 9', 'txn of 9', 'txn of 5']);
  });

  test('grows smaller after the first response that was too large, which costs the keys a second call once', async () => {
    const names = keysOf('huge', 8);
    await fill(names, 100_000);
    const client = clientWith({ maxResponseBytes: 500_000 });
    expect(await sentBy(async () => expect(sizesOf(await read(names, client))).toEqual(Array(8).fill(100_000)))).toEqual([
      'txn of 8',
      ...Array<string>(8).fill('range'),
    ]);
    expect(await sentBy(() => read(names, client))).toEqual(Array(8).fill('range'));
    // Keys that were never read are expected to be as large as those that were.
    expect(await sentBy(() => read(keysOf('read', 8), client))).toEqual(Array(8).fill('range'));
  });
});

test('a single get is sent as a range', async () => {
  expect(await sentBy(async () => expect((await only(etcd.kv.get(key(1))))?.value).toBe('value 1'))).toEqual(['range']);
});

describe('a batch whose txn is rejected', () => {
  test('because the server accepts fewer operations is sent again in parts, and later batches are smaller', async () => {
    await warmUp();
    const calls = await sentBy(async () => {
      expect(valuesOf(await only(forkJoin(gets(128))))).toEqual(numbers(128).map((index) => `value ${index}`));
    });
    expect(calls).toEqual(['txn of 128', ...Array<string>(128).fill('range')]);
    expect(await sentBy(() => only(forkJoin(gets(64))))).toEqual(['txn of 64', ...Array<string>(64).fill('range')]);
    expect(await sentBy(() => only(forkJoin(gets(70))))).toEqual(['txn of 32', 'txn of 32', 'txn of 6']);
  });

  test('because of one key fails only the get of that key, with the error of a single get', async () => {
    const outcomes = await Promise.all(
      [etcd.kv.get(key(1)), etcd.kv.get(''), etcd.kv.get(key(2))].map((get) =>
        only(get).then(
          (kv) => kv?.value,
          (error: unknown) => error,
        ),
      ),
    );
    expect(outcomes).toEqual(['value 1', await failureOf(etcd.kv.get('', { timeoutMs: 5_000 })), 'value 2']);
  });

  test('calls the option retry when each get is sent by itself, and delays no other', async () => {
    const reasons: string[] = [];
    const retry: RetryPolicy = ({ error: { reason }, action }) => {
      reasons.push(reason);
      return action === 'fail' ? 'retry' : 'default';
    };
    const patient = clientWith({ retry });
    await warmUp(patient);
    expect(valuesOf(await only(forkJoin(gets(64, patient))))).toEqual(numbers(64).map((index) => `value ${index}`));
    expect(reasons).toEqual([]);
    const hasty = clientWith({ retry, requestTimeoutMs: 600 });
    // Its timeout does not limit the connection.
    await only(hasty.kv.get(key(1), { timeoutMs: 60_000 }));
    for (const error of await Promise.all([failureOf(hasty.kv.get('')), failureOf(hasty.kv.get(''))])) {
      expect(error.message).toMatch(/^no response within \d+ ms \(KV\.Range\)$/);
    }
  });

  test('because one key is denied still reads the others', async () => {
    const { auth } = fixture.etcd;
    for (const role of ['root', 'app']) await only(auth.roleAdd(role));
    await only(auth.roleGrantPermission('app', 'READ', { prefix: 'read/' }));
    await only(auth.userAdd('root', { password: 'secret of root' }));
    await only(auth.userAdd(user.username, { password: user.password }));
    await only(auth.userGrantRole('root', 'root'));
    await only(auth.userGrantRole(user.username, 'app'));
    await only(auth.enable());
    const ann = clientWith({ auth: user });
    await only(ann.kv.get(key(1)));
    const calls = await sentBy(async () => {
      const outcomes = await Promise.allSettled([key(1), 'denied', key(2)].map((name) => only(ann.kv.get(name))));
      expect(outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value?.value : (outcome.reason as unknown)))).toEqual([
        'value 1',
        expect.objectContaining({ reason: 'PermissionDenied', rpc: 'KV.Range' }),
        'value 2',
      ]);
    });
    expect(calls).toEqual(['txn of 3', 'range', 'range', 'range']);
  });
});

test('without a response fails each get as it would alone, within its deadline', async () => {
  const away = fixture.client({ endpoints: 'http://127.0.0.1:1', requestTimeoutMs: 300 });
  const elapsed = stopwatch();
  const outcomes = await Promise.allSettled(gets(3, away).map((get) => only(get)));
  // Its attempts or its deadline may end first. Either error names the call, and not the txn of its batch.
  expect(outcomes.map((outcome) => outcome.status === 'rejected' && String(outcome.reason))).toEqual(
    Array(3).fill(expect.stringContaining('KV.Range')),
  );
  expect(elapsed().awakeMs).toBeLessThan(4_000);
});
