import { describe, expect, test } from '@jest/globals';
import { leaseId, toText, type Isolation, type KeyValue, type Transaction } from 'rxetcd';
import { concatMap, firstValueFrom, forkJoin, map, of, switchMap, tap, throwError, timer, type Observable } from 'rxjs';
import { withEtcd } from './support/fixture.js';
import { failureOf, failureWith, only } from './support/outcomes.js';

const fixture = withEtcd();
const LEVELS: readonly Isolation[] = ['serializableSnapshot', 'serializable', 'repeatableReads', 'readCommitted'];

const put = (key: string, value: string) => only(fixture.etcd.kv.put(key, value));
const valueOf = async (key: string) => (await only(fixture.etcd.kv.get(key)))?.value;
const text = (kv: KeyValue | undefined): string | undefined => kv?.value;
const keys = (kvs: readonly KeyValue[]): string[] => kvs.map(({ key, value }) => `${key}=${value}`);

/** Puts a key from outside, during the first run of a body. */
function intrusion(key: string, value: string): () => Observable<unknown> {
  let runs = 0;
  return () => (++runs === 1 ? fixture.etcd.kv.put(key, value) : of(undefined));
}

describe('stm', () => {
  test('hides its writes until it is committed', async () => {
    await put('stm/hidden', 'before');
    const seen: (string | undefined)[] = [];
    const { revision, attempts } = await only(
      fixture.etcd.stm((tx) => {
        tx.put('stm/hidden', 'after');
        return fixture.etcd.kv.get('stm/hidden').pipe(tap((kv) => seen.push(kv?.value)));
      }),
    );
    expect(seen).toEqual(['before']);
    expect(attempts).toBe(1);
    expect(await only(fixture.etcd.kv.get('stm/hidden'))).toMatchObject({ value: 'after', modRevision: revision });
  });

  test('reads its own writes: puts, deletes, and puts into a deleted range', async () => {
    await put('stm/own/a', 'a');
    await put('stm/own/b', 'b');
    await put('stm/own/d', 'd');
    const seen: unknown[] = [];
    const look = (tx: Transaction) =>
      forkJoin([tx.get('stm/own/a'), tx.get('stm/own/c'), tx.range({ prefix: 'stm/own/' })]).pipe(
        tap(([a, c, all]) => seen.push([text(a), text(c), keys(all)])),
      );
    await only(
      fixture.etcd.stm((tx) => {
        tx.put('stm/own/c', 'mine');
        tx.delete('stm/own/a');
        return look(tx).pipe(
          switchMap(() => {
            tx.delete({ prefix: 'stm/own/' });
            tx.put('stm/own/b', 'again');
            return look(tx);
          }),
        );
      }),
    );
    expect(seen).toEqual([
      [undefined, 'mine', ['stm/own/b=b', 'stm/own/c=mine', 'stm/own/d=d']],
      [undefined, undefined, ['stm/own/b=again']],
    ]);
    expect(keys((await only(fixture.etcd.kv.range({ prefix: 'stm/own/' }))).kvs)).toEqual(['stm/own/b=again']);
  });

  test('runs its body exactly twice after one conflict, and emits the result of the second run', async () => {
    await put('stm/twice', '1');
    const intrude = intrusion('stm/twice', '10');
    let runs = 0;
    const done = await only(
      fixture.etcd.stm((tx) =>
        tx.get('stm/twice').pipe(
          concatMap((kv) => intrude().pipe(map(() => Number(kv?.value)))),
          map((value) => {
            tx.put('stm/twice', String(value + 1));
            runs += 1;
            return value;
          }),
        ),
      ),
    );
    expect(done).toMatchObject({ result: 10, attempts: 2 });
    expect(runs).toBe(2);
    expect(await valueOf('stm/twice')).toBe('11');
  });

  test('has no conflict with writes to other keys', async () => {
    const intrude = intrusion('stm/others', 'x');
    const { attempts } = await only(
      fixture.etcd.stm((tx) =>
        tx.get('stm/mine').pipe(
          switchMap(intrude),
          tap(() => tx.put('stm/mine', '1')),
        ),
      ),
    );
    expect(attempts).toBe(1);
  });

  test('fails with Conflict after the maximum number of attempts, and writes nothing', async () => {
    let runs = 0;
    const hopeless = fixture.etcd.stm(
      (tx) =>
        tx.get('stm/hopeless').pipe(
          switchMap(() => fixture.etcd.kv.put('stm/hopeless', String(++runs))),
          tap(() => tx.put('stm/hopeless', 'mine')),
        ),
      { maxAttempts: 3 },
    );
    expect(await failureWith('Conflict', hopeless)).toMatchObject({ code: 'Aborted' });
    expect(runs).toBe(3);
    expect(await valueOf('stm/hopeless')).toBe('3');
  });

  test('passes on an error of its body, and writes nothing', async () => {
    const failing = fixture.etcd.stm((tx) => {
      tx.put('stm/failed', '1');
      return throwError(() => new Error('not today'));
    });
    await expect(firstValueFrom(failing)).rejects.toThrow('not today');
    expect(await valueOf('stm/failed')).toBeUndefined();
  });

  test('accepts a plain function, a Promise or an Observable as its body, empty ones too', async () => {
    const { stm } = fixture.etcd;
    expect((await only(stm((tx) => (tx.put('stm/plain', '1'), 'plain')))).result).toBe('plain');
    expect((await only(stm(async (tx) => text(await firstValueFrom(tx.get('stm/plain')))))).result).toBe('1');
    expect((await only(stm((tx) => of(1, 2).pipe(tap((n) => tx.put('stm/plain', String(n))))))).result).toBe(2);
    expect(await valueOf('stm/plain')).toBe('2');
  });

  test('is cold: each subscription is another transaction, and unsubscribing aborts it before the commit', async () => {
    const count = fixture.etcd.stm((tx) => tx.get('stm/cold').pipe(tap((kv) => tx.put('stm/cold', String(Number(kv?.value ?? 0) + 1)))));
    expect(await valueOf('stm/cold')).toBeUndefined();
    await only(count);
    await only(count);
    expect(await valueOf('stm/cold')).toBe('2');
    let committed = false;
    fixture.etcd
      .stm((tx) => {
        tx.put('stm/cold', 'never');
        return timer(5);
      })
      .subscribe(() => (committed = true))
      .unsubscribe();
    expect((await only(count)).attempts).toBe(1);
    expect([committed, await valueOf('stm/cold')]).toEqual([false, '3']);
  });

  test('puts keys with a lease', async () => {
    const { id } = await only(fixture.etcd.lease.grant(60));
    await only(fixture.etcd.stm((tx) => tx.put('stm/leased', '1', { lease: id })));
    expect((await only(fixture.etcd.kv.get('stm/leased')))?.lease).toBe(id);
    await only(fixture.etcd.lease.revoke(id));
    expect(await valueOf('stm/leased')).toBeUndefined();
    await failureWith(
      'LeaseNotFound',
      fixture.etcd.stm((tx) => tx.put('stm/leased', '1', { lease: leaseId(12345) })),
    );
  });

  test('accepts keys of any bytes', async () => {
    const key = Uint8Array.of(0x73, 0xff, 0x00, 0xfe);
    await only(fixture.etcd.stm((tx) => tx.put(key, Uint8Array.of(0xff))));
    const { result } = await only(fixture.etcd.stm((tx) => tx.get(key)));
    expect(result?.valueBytes).toEqual(Uint8Array.of(0xff));
    await only(fixture.etcd.stm((tx) => tx.delete(key)));
    expect(await only(fixture.etcd.kv.exists(key))).toBe(false);
  });

  test('reads prefetched keys in one call', async () => {
    await put('stm/pre/a', '1');
    const [before] = [(await only(fixture.etcd.kv.get('stm/pre/a')))?.modRevision];
    const { result } = await only(
      fixture.etcd.stm((tx) => forkJoin([tx.get('stm/pre/a'), tx.get('stm/pre/b')]), { prefetch: ['stm/pre/a', 'stm/pre/b'] }),
    );
    expect([result[0]?.modRevision, result[1]]).toEqual([before, undefined]);
  });

  test('cannot read or write after its body is done', async () => {
    let kept: Transaction | undefined;
    await only(fixture.etcd.stm((tx) => void (kept = tx)));
    if (kept === undefined) throw new Error('the body ran');
    await failureWith('InvalidArgument', kept.get('a'));
    expect(() => kept?.put('a', '1')).toThrow('the transaction is over');
  });

  test('rejects an invalid isolation or number of attempts', async () => {
    await failureWith(
      'InvalidArgument',
      fixture.etcd.stm(() => 1, { isolation: 'snapshot' as Isolation }),
    );
    await failureWith(
      'InvalidArgument',
      fixture.etcd.stm(() => 1, { maxAttempts: 0 }),
    );
  });

  test('fails with a clear error if it is larger than the server allows', async () => {
    expect(
      (
        await failureOf(
          fixture.etcd.stm((tx) => {
            for (let index = 0; index < 200; index++) tx.put(`stm/large/${index}`, '');
          }),
        )
      ).reason,
    ).toBe('TooManyOps');
  });
});

/** The guarantees of the four levels against another writer between the reads and the commit. */
describe('an isolation level', () => {
  /** Returns how often the body runs if `other` happens between the reads of `a` and `b`. */
  async function run(
    isolation: Isolation,
    name: string,
    other: (name: string) => Observable<unknown>,
  ): Promise<{ attempts: number; seen: unknown[] }> {
    await put(`${name}/a`, '1');
    await put(`${name}/b`, '1');
    const seen: unknown[] = [];
    let runs = 0;
    const { attempts } = await only(
      fixture.etcd.stm(
        (tx) =>
          tx.get(`${name}/a`).pipe(
            switchMap((a) => (++runs === 1 ? other(name) : of(undefined)).pipe(map(() => a))),
            switchMap((a) => forkJoin([of(a), tx.get(`${name}/b`), tx.get(`${name}/a`)])),
            tap(([a, b, again]) => {
              if (runs === 1) seen.push(text(a), text(b), text(again));
              tx.put(`${name}/w`, '1');
            }),
          ),
        { isolation },
      ),
    );
    return { attempts, seen };
  }

  const writes = (key: string) => (name: string) => fixture.etcd.kv.put(`${name}/${key}`, '2');

  test.each<[Isolation, number]>([
    ['serializableSnapshot', 2],
    ['serializable', 2],
    ['repeatableReads', 2],
    ['readCommitted', 1],
  ])('%s: after a change of a key that was read, %d attempts are needed', async (isolation, attempts) => {
    expect((await run(isolation, `iso/read/${isolation}`, writes('a'))).attempts).toBe(attempts);
  });

  test.each<[Isolation, number]>([
    ['serializableSnapshot', 2],
    ['serializable', 1],
    ['repeatableReads', 1],
    ['readCommitted', 1],
  ])('%s: after a change of a key that was only written, %d attempts are needed', async (isolation, attempts) => {
    expect((await run(isolation, `iso/write/${isolation}`, writes('w'))).attempts).toBe(attempts);
  });

  test.each<[Isolation, string[]]>([
    ['serializableSnapshot', ['1', '1', '1']],
    ['serializable', ['1', '1', '1']],
    // Of its own time each, but never the same key twice in two ways.
    ['repeatableReads', ['1', '2', '1']],
    ['readCommitted', ['1', '2', '2']],
  ])('%s: reads of a, then of b and a, changed in between, return %j', async (isolation, expected) => {
    const { seen } = await run(isolation, `iso/skew/${isolation}`, (name) => writes('a')(name).pipe(switchMap(() => writes('b')(name))));
    expect(seen).toEqual(expected);
  });

  test.each<[string, (name: string) => Observable<unknown>]>([
    ['is created', writes('new')],
    ['is deleted', (name) => fixture.etcd.kv.delete(`${name}/a`)],
    ['is changed', writes('a')],
  ])('a conflict is detected, at each level that checks its reads, if a key of a range that was read %s', async (what, other) => {
    for (const isolation of LEVELS) {
      const name = `iso/phantom/${what}/${isolation}`;
      await put(`${name}/a`, '1');
      let runs = 0;
      const { attempts, result } = await only(
        fixture.etcd.stm(
          (tx) =>
            tx.range({ prefix: `${name}/` }).pipe(
              switchMap((kvs) => (++runs === 1 ? other(name) : of(undefined)).pipe(map(() => kvs.length))),
              tap((count) => tx.put(`iso/count/${what}`, String(count))),
            ),
          { isolation },
        ),
      );
      expect([isolation, attempts]).toEqual([isolation, isolation === 'readCommitted' ? 1 : 2]);
      if (isolation !== 'readCommitted') expect(result).toBe(await only(fixture.etcd.kv.count({ prefix: `${name}/` })));
    }
  });

  test('a key that is created or deleted after it was read is a conflict', async () => {
    for (const isolation of LEVELS.slice(0, 3)) {
      const intrude = intrusion(`iso/absent/${isolation}`, 'x');
      const { attempts, result } = await only(
        fixture.etcd.stm(
          (tx) =>
            tx.get(`iso/absent/${isolation}`).pipe(
              switchMap((kv) => intrude().pipe(map(() => kv?.value))),
              tap(() => tx.put('iso/absent', '1')),
            ),
          { isolation },
        ),
      );
      expect([attempts, result]).toEqual([2, 'x']);
    }
  });

  test('a read-only transaction reads one revision, and needs no commit', async () => {
    await put('iso/ro/a', '1');
    await put('iso/ro/b', '1');
    const change = () => fixture.etcd.kv.txn({ success: [] }).pipe(switchMap(() => fixture.etcd.kv.put('iso/ro/b', '2')));
    const { result, attempts } = await only(
      fixture.etcd.stm((tx) =>
        tx.get('iso/ro/a').pipe(switchMap((a) => change().pipe(switchMap(() => tx.get('iso/ro/b').pipe(map((b) => [text(a), text(b)])))))),
      ),
    );
    expect([result, attempts]).toEqual([['1', '1'], 1]);
  });

  test('restarts if the revision that it reads is compacted', async () => {
    await put('iso/compact/a', '1');
    let runs = 0;
    const compact = (): Observable<unknown> =>
      ++runs > 1
        ? of(undefined)
        : fixture.etcd.kv.put('iso/compact/b', '2').pipe(switchMap(({ header }) => fixture.etcd.kv.compact(header.revision)));
    const { result, attempts } = await only(
      fixture.etcd.stm((tx) => tx.get('iso/compact/a').pipe(switchMap(() => compact().pipe(switchMap(() => tx.get('iso/compact/b')))))),
    );
    expect([text(result), attempts]).toEqual(['2', 2]);
  });

  test('concurrent reads return one revision', async () => {
    await Promise.all(['a', 'b', 'c', 'd'].map((key) => put(`iso/at-once/${key}`, '0')));
    const writer = Array.from({ length: 20 }, (_, n) => n);
    const all = ['a', 'b', 'c', 'd'].map((key) => `iso/at-once/${key}`);
    const write = async (): Promise<void> => {
      for (const n of writer) await only(fixture.etcd.stm((tx) => all.forEach((key) => tx.put(key, String(n)))));
    };
    const reads = async (): Promise<void> => {
      for (const _ of writer) {
        const { result } = await only(fixture.etcd.stm((tx) => forkJoin(all.map((key) => tx.get(key)))));
        expect(new Set(result.map(text)).size).toBe(1);
      }
    };
    await Promise.all([write(), reads()]);
  });
});

describe('a bank of accounts', () => {
  const ACCOUNTS = 5;
  const account = (bank: string, index: number): string => `bank/${bank}/${index}`;

  async function sumOf(bank: string): Promise<number> {
    const { kvs } = await only(fixture.etcd.kv.range({ prefix: `bank/${bank}/` }));
    return kvs.reduce((sum, kv) => sum + Number(toText(kv.valueBytes)), 0);
  }

  test.each(LEVELS.slice(0, 3))('keeps its sum while 8 writers, each with a separate client, transfer money: %s', async (isolation) => {
    for (let index = 0; index < ACCOUNTS; index++) await put(account(isolation, index), '100');
    const writers = Array.from({ length: 8 }, (_, writer) => ({ etcd: fixture.client(), writer }));
    let attempts = 0;
    await Promise.all(
      writers.map(async ({ etcd, writer }) => {
        for (let transfer = 0; transfer < 10; transfer++) {
          const from = (writer + transfer) % ACCOUNTS;
          const to = (from + 1 + (transfer % (ACCOUNTS - 1))) % ACCOUNTS;
          const done = await only(
            etcd.stm(
              (tx) =>
                forkJoin([tx.get(account(isolation, from)), tx.get(account(isolation, to))]).pipe(
                  tap(([a, b]) => {
                    tx.put(account(isolation, from), String(Number(a?.value) - 7));
                    tx.put(account(isolation, to), String(Number(b?.value) + 7));
                  }),
                ),
              { isolation, maxAttempts: 200 },
            ),
          );
          attempts += done.attempts;
        }
      }),
    );
    expect(await sumOf(isolation)).toBe(ACCOUNTS * 100);
    // The transactions did conflict; otherwise the test would show nothing.
    expect(attempts).toBeGreaterThan(80);
  });
});
