import { afterEach, describe, expect, test } from '@jest/globals';
import { hasReason, hold, type Announcement, type Client, type KeyValue } from 'rxetcd';
import { concat, EMPTY, from, NEVER, of, Subject, throwError, type Observable, type Subscription } from 'rxjs';
import { withEtcd } from './support/fixture.js';
import { failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const open: Subscription[] = [];
afterEach(() => {
  for (const subscription of open.splice(0)) subscription.unsubscribe();
});

const stored = (key: string): Promise<KeyValue | undefined> => only(fixture.etcd.kv.get(key));
const becomes = (key: string, value: string | undefined): Promise<KeyValue | undefined> =>
  waitForValue(
    () => stored(key),
    (kv) => kv?.value === value,
  );

function announce(key: string, value: string | Observable<string>, etcd: Client = fixture.etcd) {
  const events: Announcement[] = [];
  const end: { error?: unknown; completed?: true } = {};
  const subscription = etcd.announce(key, value, { ttl: 20 }).subscribe({
    next: (event) => events.push(event),
    error: (error: unknown) => (end.error = error),
    complete: () => (end.completed = true),
  });
  open.push(subscription);
  const seen = (types: string): Promise<string> =>
    waitForValue(
      () => events.map(({ type }) => type).join(),
      (now) => now === types,
    );
  return { events, end, subscription, seen };
}

describe('an announced key', () => {
  test('exists under its lease while it is subscribed', async () => {
    const { events, subscription, seen } = announce('announce/one', 'here');
    await seen('announced');
    const kv = await stored('announce/one');
    expect(kv?.value).toBe('here');
    expect(events).toEqual([{ type: 'announced', key: 'announce/one', lease: kv?.lease, revision: kv?.modRevision }]);
    expect(await only(fixture.etcd.kv.count({ prefix: 'announce/one' }))).toBe(1);
    subscription.unsubscribe();
    await becomes('announce/one', undefined);
  });

  test('replaces an existing key, and is written again after its lease is revoked', async () => {
    await only(fixture.etcd.kv.put('announce/back', 'before'));
    const { events, seen } = announce('announce/back', 'mine');
    await seen('announced');
    const first = await stored('announce/back');
    expect(first?.value).toBe('mine');
    await only(fixture.etcd.lease.revoke(first!.lease!));
    await seen('announced,lost,announced');
    const second = await becomes('announce/back', 'mine');
    expect(second?.lease).not.toBe(first?.lease);
    expect(events[1]).toMatchObject({ key: 'announce/back', error: { reason: 'LeaseLost' } });
  });

  test('is written with each value in order, and again with the newest after a loss', async () => {
    const { etcd } = fixture;
    const values = new Subject<string>();
    const written: string[] = [];
    open.push(etcd.watch('announce/values').subscribe(({ kv, type }) => written.push(type === 'put' ? kv.value : '-')));
    const { events, end, seen } = announce('announce/values', values);
    await only(etcd.kv.put('announce/other', ''));
    expect(await stored('announce/values')).toBeUndefined();
    for (let value = 0; value < 200; value += 1) values.next(String(value));
    await becomes('announce/values', '199');
    values.next('200');
    await waitForValue(
      () => written.at(-1),
      (last) => last === '200',
    );
    // Values may be skipped while one is being written, but never go backwards.
    expect(written.map(Number)).toEqual(written.map(Number).toSorted((a, b) => a - b));
    values.complete();
    const { lease } = (await stored('announce/values'))!;
    const before = events.length;
    await only(etcd.lease.revoke(lease!));
    await waitForValue(
      () =>
        events
          .slice(before)
          .map(({ type }) => type)
          .join(),
      (types) => types === 'lost,announced',
    );
    expect((await stored('announce/values'))?.value).toBe('200');
    expect(end).toEqual({});
    await seen(events.map(({ type }) => type).join());
  });

  test('is written again by the next value if another client replaced or deleted it', async () => {
    const values = new Subject<string>();
    announce('announce/taken', values);
    values.next('1');
    await becomes('announce/taken', '1');
    await only(fixture.etcd.kv.put('announce/taken', 'theirs'));
    values.next('2');
    const kv = await becomes('announce/taken', '2');
    expect(kv?.lease).toBeDefined();
    await only(fixture.etcd.kv.delete('announce/taken'));
    values.next('3');
    await becomes('announce/taken', '3');
  });

  test('ends with its source of values only if that errors or was empty', async () => {
    const { etcd } = fixture;
    expect(await hold(etcd.announce('announce/none', EMPTY)).catch((error: unknown) => hasReason(error, 'ClientClosed'))).toBe(true);
    expect(announce('announce/none', EMPTY).end).toEqual({ completed: true });
    const failing = announce(
      'announce/fails',
      concat(
        of('1'),
        throwError(() => new Error('no')),
      ),
    );
    expect(failing.end.error).toEqual(new Error('no'));
    const late = new Subject<string>();
    const failsLate = announce('announce/fails', late);
    late.next('1');
    await becomes('announce/fails', '1');
    late.error(new Error('late'));
    expect(failsLate.end.error).toEqual(new Error('late'));
    await becomes('announce/fails', undefined);
  });

  test('keeps bytes as they were passed', async () => {
    const bytes = Buffer.from('ab');
    const values = new Subject<Uint8Array>();
    open.push(fixture.etcd.announce('announce/bytes', values).subscribe());
    values.next(bytes);
    bytes[0] = 0;
    await becomes('announce/bytes', 'ab');
  });

  test('has the key without the prefix in a namespace, and can be held by a promise', async () => {
    const within = fixture.etcd.namespace('announce/ns/');
    await using held = await within.promises.announce('a', '1', { ttl: 20 });
    expect(held.value).toMatchObject({ type: 'announced', key: 'a' });
    expect((await stored('announce/ns/a'))?.value).toBe('1');
    await held.release();
    expect(await stored('announce/ns/a')).toBeUndefined();
  });

  test('completes when the client is closed, and is deleted', async () => {
    const other = fixture.client();
    const { end, seen } = announce('announce/closed', concat(from(['1']), NEVER), other);
    await seen('announced');
    await other.close();
    expect(end).toEqual({ completed: true });
    expect(await stored('announce/closed')).toBeUndefined();
  });

  test('rejects an invalid key, value or option', async () => {
    const { announce: announced } = fixture.etcd;
    await failureWith('InvalidArgument', announced(7 as never, '1'));
    await failureWith('InvalidArgument', announced('a', 7 as never));
    await failureWith('InvalidArgument', announced('a', of(7) as never));
    await failureWith('InvalidArgument', announced('a', '1', { ttl: 0 }));
    await failureWith('InvalidArgument', announced('a', '1', { lease: '7' } as never));
  });
});
