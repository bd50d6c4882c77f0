import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { leaseId, type KeyValue } from 'rxetcd';
import { EMPTY, firstValueFrom, forkJoin, of, switchMap, tap, throwError, timer } from 'rxjs';
import { startTcpProxy, type TcpProxy } from '../support/faultProxies/tcpProxy.js';
import { withEtcd } from './support/fixture.js';
import { failureWith, only } from './support/outcomes.js';

const fixture = withEtcd();
const increment = (kv: KeyValue | undefined): string => String(Number(kv?.value ?? 0) + 1);
const stored = (key: string) => only(fixture.etcd.kv.get(key));

describe('update', () => {
  test('creates, changes and deletes, and emits the previous and the new value', async () => {
    const { update } = fixture.etcd;
    const created = await only(update('update/a', increment));
    expect(created).toMatchObject({ prevKv: undefined, attempts: 1 });
    expect(created.kv?.toJSON()).toEqual((await stored('update/a'))?.toJSON());
    const changed = await only(update('update/a', increment));
    expect([changed.prevKv?.value, changed.kv?.value]).toEqual(['1', '2']);
    expect(changed.kv?.toJSON()).toEqual((await stored('update/a'))?.toJSON());
    const deleted = await only(update('update/a', () => undefined));
    expect([deleted.prevKv?.value, deleted.kv]).toEqual(['2', undefined]);
    expect(await stored('update/a')).toBeUndefined();
    const { header, kv, prevKv } = await only(update('update/a', () => undefined));
    expect([header.revision, kv, prevKv]).toEqual([deleted.header.revision, undefined, undefined]);
  });

  test('leaves the key unchanged if the function returns its argument', async () => {
    const { etcd } = fixture;
    await only(etcd.kv.put('update/kept', '1'));
    const before = await stored('update/kept');
    const { kv, prevKv, attempts } = await only(etcd.update('update/kept', (current) => of(current)));
    expect([kv?.toJSON(), prevKv?.toJSON(), attempts]).toEqual([before?.toJSON(), before?.toJSON(), 1]);
    expect((await stored('update/kept'))?.modRevision).toBe(before?.modRevision);
    await failureWith(
      'InvalidArgument',
      etcd.update('update/kept', () => before),
    );
  });

  test('accepts an Observable or a Promise of the value, and any bytes', async () => {
    const { update } = fixture.etcd;
    expect((await only(update('update/b', () => of('x')))).kv?.value).toBe('x');
    expect((await only(update('update/b', async (kv) => `${kv?.value}y`))).kv?.value).toBe('xy');
    expect((await only(update(Uint8Array.of(0xff, 1), () => Uint8Array.of(0xfe)))).kv?.valueBytes).toEqual(Uint8Array.of(0xfe));
  });

  test('calls its function again with the value that another client has written', async () => {
    await only(fixture.etcd.kv.put('update/busy', '1'));
    const seen: (string | undefined)[] = [];
    const { attempts } = await only(
      fixture.etcd.update('update/busy', (kv) => {
        seen.push(kv?.value);
        return seen.length > 1 ? of('mine') : fixture.etcd.kv.put('update/busy', '2').pipe(switchMap(() => of('mine')));
      }),
    );
    expect([attempts, seen, (await stored('update/busy'))?.value]).toEqual([2, ['1', '2'], 'mine']);
  });

  test('detects a key that was deleted and created again with the same value as changed', async () => {
    await only(fixture.etcd.kv.put('update/aba', 'same'));
    let runs = 0;
    const again = () =>
      ++runs > 1
        ? of('mine')
        : fixture.etcd.kv.delete('update/aba').pipe(
            switchMap(() => fixture.etcd.kv.put('update/aba', 'same')),
            switchMap(() => of('mine')),
          );
    expect((await only(fixture.etcd.update('update/aba', again))).attempts).toBe(2);
  });

  test('fails with Conflict when other clients were faster in each attempt', async () => {
    let runs = 0;
    const hopeless = fixture.etcd.update(
      'update/hopeless',
      () => fixture.etcd.kv.put('update/hopeless', String(++runs)).pipe(switchMap(() => of('mine'))),
      { maxAttempts: 2 },
    );
    await failureWith('Conflict', hopeless);
    expect([runs, (await stored('update/hopeless'))?.value]).toEqual([2, '2']);
  });

  test('loses none of many concurrent increments of several clients', async () => {
    const clients = Array.from({ length: 4 }, () => fixture.client());
    const all = clients.flatMap((etcd) => Array.from({ length: 10 }, () => etcd.update('update/counter', increment, { maxAttempts: 200 })));
    await only(forkJoin(all));
    expect((await stored('update/counter'))?.value).toBe('40');
  });

  test('keeps the lease of the key by default', async () => {
    const { id } = await only(fixture.etcd.lease.grant(60));
    const { update } = fixture.etcd;
    await only(update('update/leased', increment, { lease: id }));
    expect((await only(update('update/leased', increment))).kv?.lease).toBe(id);
    expect((await stored('update/leased'))?.lease).toBe(id);
    expect((await only(update('update/leased', increment, { lease: leaseId(0) }))).kv?.lease).toBeUndefined();
    expect((await stored('update/leased'))?.lease).toBeUndefined();
    await only(fixture.etcd.lease.revoke(id));
  });

  test('passes on an error of the function, rejects an invalid value, and writes nothing', async () => {
    const { update } = fixture.etcd;
    await expect(firstValueFrom(update('update/failed', () => throwError(() => new Error('not today'))))).rejects.toThrow('not today');
    await failureWith(
      'InvalidArgument',
      update('update/failed', () => EMPTY),
    );
    await failureWith(
      'InvalidArgument',
      update('update/failed', () => 7 as unknown as string),
    );
    await failureWith('InvalidArgument', update('update/failed', increment, { maxAttempts: 1.5 }));
    expect(await stored('update/failed')).toBeUndefined();
  });

  test('writes nothing if it is unsubscribed before', async () => {
    fixture.etcd
      .update('update/left', () => timer(1_000).pipe(switchMap(() => of('late'))))
      .subscribe()
      .unsubscribe();
    expect((await only(fixture.etcd.update('update/left', increment))).prevKv).toBeUndefined();
  });
});

describe('a write whose response is lost', () => {
  let proxy: TcpProxy;
  beforeEach(async () => {
    proxy = await startTcpProxy(fixture.server.endpoint);
  });
  afterEach(() => proxy.close());

  test('fails update with AmbiguousWrite, and is not retried', async () => {
    const { update } = fixture.client({ endpoints: proxy.endpoint });
    let runs = 0;
    const lost = update('update/lost', (kv) => {
      runs += 1;
      proxy.down.cutAfter(0);
      return increment(kv);
    });
    await failureWith('AmbiguousWrite', lost);
    expect([runs, (await stored('update/lost'))?.version]).toEqual([1, 1]);
  });

  test('fails stm with AmbiguousWrite, and is not retried', async () => {
    const { stm } = fixture.client({ endpoints: proxy.endpoint });
    let runs = 0;
    const lost = stm((tx) =>
      tx.get('stm/lost').pipe(
        tap((kv) => {
          runs += 1;
          proxy.down.cutAfter(0);
          tx.put('stm/lost', increment(kv));
        }),
      ),
    );
    await failureWith('AmbiguousWrite', lost);
    expect([runs, (await stored('stm/lost'))?.version]).toEqual([1, 1]);
  });
});
