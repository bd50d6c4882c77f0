import { afterEach, describe, expect, test } from '@jest/globals';
import type { Endpoint, InvalidValueError, Registration } from 'rxetcd';
import type { Subscription } from 'rxjs';
import { withEtcd } from './support/fixture.js';
import { failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const open: Subscription[] = [];
afterEach(() => {
  for (const subscription of open.splice(0)) subscription.unsubscribe();
});

/** The emissions of a stream so far. */
function seen<T>(source: { subscribe(next: (value: T) => void): Subscription }): T[] {
  const values: T[] = [];
  open.push(source.subscribe((value) => values.push(value)));
  return values;
}

const addresses = (endpoints: ReadonlyMap<string, Endpoint> | undefined) =>
  [...(endpoints ?? [])].map(([id, { addr }]) => `${id}=${addr}`).toSorted();
const last = <T>(values: readonly T[]): T | undefined => values.at(-1);
const shows = (views: readonly ReadonlyMap<string, Endpoint>[], expected: readonly string[]) =>
  waitForValue(
    () => addresses(last(views)),
    (now) => JSON.stringify(now) === JSON.stringify(expected),
  );

describe('services', () => {
  test('are added, replaced, listed and deleted, several in one txn', async () => {
    const invalid: InvalidValueError[] = [];
    const shop = fixture.etcd.services('svc/managed', { onInvalid: (error) => invalid.push(error) });
    expect((await only(shop.list())).size).toBe(0);
    const { revision } = await only(
      shop.update([
        { type: 'put', id: 'one', addr: 'a:1', metadata: { zone: 1 } },
        { type: 'put', id: 'two', addr: 'a:2' },
      ]),
    );
    const kvs = (await only(fixture.etcd.kv.range({ prefix: 'svc/managed/' }))).kvs;
    expect(kvs.map(({ modRevision, value }) => [modRevision, value])).toEqual([
      [revision, '{"Op":0,"Addr":"a:1","Metadata":{"zone":1}}'],
      [revision, '{"Op":0,"Addr":"a:2","Metadata":null}'],
    ]);
    await only(fixture.etcd.kv.put('svc/managed/broken', 'no endpoint'));
    const listed = await only(shop.list());
    expect(addresses(listed)).toEqual(['one=a:1', 'two=a:2']);
    expect(listed.get('one')).toEqual({ id: 'one', key: 'svc/managed/one', addr: 'a:1', metadata: { zone: 1 } });
    expect(invalid.map(({ key }) => key)).toEqual(['svc/managed/broken']);

    await only(
      shop.update([
        { type: 'put', id: 'one', addr: 'b:1' },
        { type: 'delete', id: 'two' },
      ]),
    );
    expect(addresses(await only(shop.list()))).toEqual(['one=b:1']);
    await only(shop.delete('one'));
    expect((await only(shop.list())).size).toBe(0);
    await failureWith('InvalidArgument', shop.update([{ type: 'put', id: '', addr: 'a:1' }]));
  });

  test('are registered in the format of the Go client, under a lease, until they are unsubscribed', async () => {
    const { kv, services, lease } = fixture.etcd;
    const events = seen<Registration>(services('svc/format').register('one', { addr: '10.0.0.7:8080', ttl: 10 }));
    await waitForValue(
      () => events.length,
      (length) => length === 1,
    );
    const stored = await only(kv.get('svc/format/one'));
    expect(stored?.value).toBe('{"Op":0,"Addr":"10.0.0.7:8080","Metadata":null}');
    expect(events[0]).toEqual({
      type: 'registered',
      id: 'one',
      key: 'svc/format/one',
      lease: stored?.lease,
      revision: stored?.modRevision,
    });
    expect((await only(lease.timeToLive(stored!.lease!))).grantedTtl).toBe(10);
    open.pop()?.unsubscribe();
    await waitForValue(
      () => only(kv.exists('svc/format/one')),
      (there) => !there,
    );
  });

  test('are a live map of the registered endpoints and their metadata', async () => {
    const shop = fixture.etcd.services('svc/live');
    const views = seen(shop.endpoints$);
    await waitForValue(
      () => views.length,
      (length) => length === 1,
    );
    expect(last(views)?.size).toBe(0);
    seen(
      fixture
        .client()
        .services('svc/live')
        .register('a', { addr: 'a:1', metadata: { zone: 1 }, ttl: 10 }),
    );
    await shows(views, ['a=a:1']);
    const before = last(views);
    const b = fixture.client();
    seen(b.services('svc/live').register('b', { addr: 'b:1', ttl: 10 }));
    await shows(views, ['a=a:1', 'b=b:1']);
    expect(addresses(before)).toEqual(['a=a:1']);
    expect(last(views)?.get('a')).toEqual({ id: 'a', key: 'svc/live/a', addr: 'a:1', metadata: { zone: 1 } });
    expect(last(views)?.get('b')?.metadata).toBeNull();
    // A late subscriber begins with the current entries.
    await shows(seen(shop.endpoints$), ['a=a:1', 'b=b:1']);
    await b.close();
    await shows(views, ['a=a:1']);
  });

  test('of the Go client are included; an invalid endpoint is omitted and reported', async () => {
    const { kv, services } = fixture.etcd;
    const invalid: InvalidValueError[] = [];
    await only(kv.put('svc/go/x', '{"Op":0,"Addr":"x:1","Metadata":{"weight":5}}'));
    await only(kv.put('svc/go/junk', 'not JSON'));
    await only(kv.put('svc/goose/y', '{"Op":0,"Addr":"y:1","Metadata":null}'));
    const views = seen(services('svc/go', { onInvalid: (error) => invalid.push(error) }).endpoints$);
    await shows(views, ['x=x:1']);
    expect(invalid.map(({ key }) => key)).toEqual(['svc/go/junk']);
    await only(kv.put('svc/go/x', '{"Addr":7}'));
    await shows(views, []);
    expect(last(invalid)?.message).not.toContain('7');
  });

  test('are registered again by themselves when their lease is lost', async () => {
    const { services, lease } = fixture.etcd;
    const views = seen(services('svc/lost').endpoints$);
    const events = seen<Registration>(fixture.client().services('svc/lost').register('me', { addr: 'me:1', ttl: 6 }));
    await shows(views, ['me=me:1']);
    // The others may see the entry before its own client has its response.
    await waitForValue(
      () => events.length,
      (count) => count > 0,
    );
    const [first] = events;
    if (first?.type !== 'registered') throw new Error('it was registered');
    await only(lease.revoke(first.lease));
    // The entry may be back soon after it was deleted.
    await waitForValue(
      () => views.map((view) => addresses(view).join()),
      (all) => all.slice(-3).join('|') === 'me=me:1||me=me:1',
    );
    await waitForValue(
      () => events.map(({ type }) => type),
      (types) => types.join() === 'registered,lost,registered',
    );
    expect(events[1]).toMatchObject({ error: { reason: 'LeaseLost' } });
    const again = events[2];
    expect(again?.type === 'registered' && again.lease !== first.lease && again.revision > first.revision).toBe(true);
  });

  test('reject an invalid name or address', async () => {
    const { services } = fixture.etcd;
    expect(() => services('')).toThrow('name of a service');
    await failureWith('InvalidArgument', services('svc/bad').register('', { addr: 'a:1' }));
    await failureWith('InvalidArgument', services('svc/bad').register('a', { addr: '' }));
    await failureWith('InvalidArgument', services('svc/bad').register('a', { addr: 'a:1', ttl: 0 }));
  });
});
