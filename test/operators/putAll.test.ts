import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { concat, firstValueFrom, from, last, NEVER, of, range, map, scan, Subject, take, throwError, type Observable } from 'rxjs';
import { isPutAllError, putAll, type PutAllResult, type PutEntry, type TxnTarget } from '../../operators/index.js';
import { AmbiguousWriteError, EtcdError, hasReason } from '../../src/errors/index.js';
import { toBytes } from '../../src/model/bytes.js';
import { leaseId } from '../../src/model/ids.js';
import { put } from '../../src/model/op.js';
import { MemoryKv } from '../support/memory/memoryKv.js';
import { HeldKv } from '../support/fakes/fakeHeldKv.js';
import { logger, runInVirtualTime } from './support.js';

/** Returns an entry whose value shows which write of its key it is. */
const entry = (key: string, value = key): PutEntry => ({ key, value });

/** Responds at once, and writes nothing. */
const atOnce = { txn: () => of({ header: { revision: 2 }, succeeded: true, responses: [] }) } as unknown as TxnTarget;

/** The result of a subscription. */
class Seen {
  readonly results: PutAllResult[] = [];
  error: unknown;
  completed = false;

  constructor(results$: Observable<PutAllResult>) {
    results$.subscribe({
      next: (result) => this.results.push(result),
      error: (error: unknown) => (this.error = error),
      complete: () => (this.completed = true),
    });
  }

  get ended(): boolean {
    return this.completed || this.error !== undefined;
  }

  get values(): unknown[] {
    return this.results.map(({ entries }) => entries.map(({ value }) => value));
  }
}

const unknownOutcome = new AmbiguousWriteError(new EtcdError('ConnectionLost', 'lost', { rpc: 'KV.Txn', endpoint: 'http://a' }));
const denied = new EtcdError('PermissionDenied', 'etcdserver: permission denied', { rpc: 'KV.Txn', endpoint: 'http://a' });

describe('the txns of putAll', () => {
  test('contain the entries that waited while others were in progress', () => {
    runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const answer = cold('-------(a|)', { a: { header: { revision: 7 } } });
      const kv = { txn: () => answer } as unknown as TxnTarget;
      const source = cold('-1-23456--------------|').pipe(map((key) => entry(key)));
      const written = (keys: string) => ({ revision: 7, entries: keys.split('').map((key) => entry(key)) });
      expectObservable(source.pipe(putAll(kv, { concurrency: 1, maxOps: 4 }))).toBe('--------a------b------(c|)', {
        a: written('1'),
        b: written('2345'),
        c: written('6'),
      });
      expectSubscriptions(answer.subscriptions).toBe(['-^------!', '--------^------!', '---------------^------!']);
    });
  });

  test('are sent at once while fewer than the maximum are in progress', () => {
    const kv = new HeldKv();
    const source = new Subject<PutEntry>();
    const seen = new Seen(source.pipe(putAll(kv, { concurrency: 3 })));
    for (const key of 'abcde') source.next(entry(key));
    expect(kv.keys).toEqual([['a'], ['b'], ['c']]);
    kv.txns[1]?.answer(2);
    expect(kv.keys.slice(3)).toEqual([['d', 'e']]);
    expect(seen.results).toEqual([{ revision: 2, entries: [entry('b')] }]);
  });

  test('contain up to 128 puts by default, each with its lease', () => {
    const kv = new HeldKv();
    const lease = leaseId(7);
    range(0, 300)
      .pipe(
        map((n) => ({ ...entry(`${n}`), lease })),
        putAll(kv, { concurrency: 1 }),
      )
      .subscribe();
    for (let i = 0; i < 4; i++) kv.txns[i]?.answer(i);
    expect(kv.txns.map(({ puts }) => puts.length)).toEqual([1, 128, 128, 43]);
    expect(kv.txns[0]?.puts).toEqual([put('0', '0', { lease })]);
  });

  test('contain at most the configured bytes as UTF-8, except for a single larger entry', () => {
    const kv = new HeldKv();
    const entries = [entry('_'), entry('a', 'xxxx'), entry('b', 'éé'), entry('c', 'x'), entry('d', 'x'.repeat(11)), entry('e', 'x')];
    const seen = new Seen(putAll(kv, entries, { concurrency: 1, maxBytes: 10 }));
    for (const txn of kv.txns) txn.answer(1);
    expect(kv.keys).toEqual([['_', 'a'], ['b', 'c'], ['d'], ['e']]);
    expect(seen.completed).toBe(true);
  });

  test('contain each entry as it was emitted, although its owner changes the object later', () => {
    const kv = new HeldKv();
    const source = new Subject<PutEntry>();
    source.pipe(putAll(kv, { concurrency: 1 })).subscribe();
    const used = { key: 'a', value: '1' };
    for (const key of 'abc') source.next(Object.assign(used, { key, value: key }));
    kv.txns[0]?.answer(2);
    expect(kv.txns[1]?.values).toEqual(['b', 'c']);
  });
});

describe('entries of the same key', () => {
  test('do not grow the stack if responses are synchronous', () => {
    const held = new HeldKv();
    let first = true;
    const target: TxnTarget = {
      txn: (spec) => {
        const answer = (first ? held : atOnce).txn(spec);
        first = false;
        return answer;
      },
    };
    const seen = new Seen(
      range(0, 20_000).pipe(
        map((n) => entry('a', `${n}`)),
        putAll(target),
      ),
    );
    held.txns[0]?.answer(2);
    expect(seen.completed).toBe(true);
    expect(seen.results).toHaveLength(20_000);
  });

  test('are written one after the other, while others continue', () => {
    const kv = new HeldKv();
    const seen = new Seen(
      from([entry('a', '1'), entry('a', '2'), entry('b'), entry('a', '3'), entry('c')]).pipe(putAll(kv, { concurrency: 2 })),
    );
    expect(kv.txns.map(({ values }) => values)).toEqual([['1'], ['b']]);
    kv.txns[1]?.answer(2);
    expect(kv.txns[2]?.values).toEqual(['c']);
    kv.txns[0]?.answer(3);
    expect(kv.txns[3]?.values).toEqual(['2']);
    kv.txns[3]?.answer(4);
    kv.txns[2]?.answer(5);
    kv.txns[4]?.answer(6);
    expect(seen.values).toEqual([['b'], ['1'], ['2'], ['c'], ['3']]);
    expect(seen.completed).toBe(true);
  });

  test('are recognised as text and as bytes', () => {
    const kv = new HeldKv();
    putAll(kv, [
      { key: 'é', value: '1' },
      { key: toBytes('é'), value: '2' },
    ]).subscribe();
    expect(kv.txns.map(({ values }) => values)).toEqual([['1']]);
  });

  test('and of others are written in order, each once, whatever the order of the responses', () => {
    const run = fc.record({
      keys: fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 60 }),
      answers: fc.infiniteStream(fc.nat()),
      concurrency: fc.integer({ min: 1, max: 4 }),
      maxOps: fc.integer({ min: 1, max: 4 }),
      maxBytes: fc.integer({ min: 1, max: 20 }),
      pulled: fc.boolean(),
    });
    fc.assert(
      fc.property(run, ({ keys, answers, pulled, ...config }) => {
        const kv = new HeldKv();
        const entries = keys.map((key, index) => entry(key, `${index}`));
        const seen = new Seen(pulled ? putAll(kv, entries, config) : from(entries).pipe(putAll(kv, config)));
        const written: PutEntry[] = [];
        while (kv.underWay.length > 0) {
          const underWay = kv.underWay.flatMap((txn) => txn.keys);
          expect(new Set(underWay).size).toBe(underWay.length);
          expect(kv.underWay.length).toBeLessThanOrEqual(config.concurrency);
          const txn = kv.underWay[answers.next().value % kv.underWay.length];
          expect(txn?.puts.length).toBeLessThanOrEqual(config.maxOps);
          txn?.puts.forEach(({ key, value }) => written.push({ key, value }));
          txn?.answer(1);
        }
        expect(seen.completed).toBe(true);
        expect(seen.results.flatMap((result) => result.entries)).toEqual(written);
        for (const key of 'abcde') {
          expect(written.filter((one) => one.key === key)).toEqual(entries.filter((one) => one.key === key));
        }
      }),
    );
  });
});

describe('a txn of putAll that fails', () => {
  /** Six entries, two per txn: the first two txns are running, and the rest waits. */
  const begin = () => {
    const kv = new HeldKv();
    const seen = new Seen(
      putAll(
        kv,
        ['a', 'b', 'c', 'd', 'e', 'a'].map((key, index) => entry(key, `secret ${index}`)),
        { concurrency: 2, maxOps: 2 },
      ),
    );
    expect(kv.keys).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    return { kv, seen };
  };
  const valuesOf = (error: unknown) =>
    isPutAllError(error)
      ? { ambiguous: error.ambiguous.map(({ value }) => value), unwritten: error.unwritten.map(({ value }) => value) }
      : error;

  test('ends the stream after the responses to the others in progress', () => {
    const { kv, seen } = begin();
    kv.txns[0]?.fail(denied);
    expect(seen.ended).toBe(false);
    kv.txns[1]?.answer(5);
    expect(kv.txns).toHaveLength(2);
    expect(seen.values).toEqual([['secret 2', 'secret 3']]);
    expect(valuesOf(seen.error)).toEqual({ ambiguous: [], unwritten: ['secret 0', 'secret 1', 'secret 4', 'secret 5'] });
    expect(seen.error).toMatchObject({
      reason: 'PermissionDenied',
      code: 'PermissionDenied',
      rpc: 'KV.Txn',
      endpoint: 'http://a',
      cause: denied,
    });
  });

  test('with an unknown outcome reports its entries as ambiguous', () => {
    const { kv, seen } = begin();
    kv.txns[1]?.answer(5);
    kv.txns[0]?.fail(unknownOutcome);
    kv.txns[2]?.answer(6);
    expect(valuesOf(seen.error)).toEqual({ ambiguous: ['secret 0', 'secret 1'], unwritten: ['secret 5'] });
    expect(seen.values).toEqual([['secret 2', 'secret 3'], ['secret 4']]);
    expect(hasReason(seen.error, 'AmbiguousWrite')).toBe(true);
  });

  test('reports its entries and the pending ones in the order of the source', () => {
    const kv = new HeldKv();
    const entries = ['a', 'a', 'b', 'c'].map((key, index) => entry(key, `${index}`));
    const seen = new Seen(putAll(kv, entries, { concurrency: 2, maxOps: 1 }));
    expect(kv.keys).toEqual([['a'], ['b']]);
    kv.txns[1]?.fail(denied);
    kv.txns[0]?.fail(denied);
    expect(valuesOf(seen.error)).toEqual({ ambiguous: [], unwritten: ['0', '1', '2', '3'] });
  });

  test('together with another reports the entries of both as ambiguous, in the order of the source', () => {
    const { kv, seen } = begin();
    kv.txns[1]?.fail(unknownOutcome);
    kv.txns[0]?.fail(unknownOutcome);
    expect(valuesOf(seen.error)).toMatchObject({ ambiguous: ['secret 0', 'secret 1', 'secret 2', 'secret 3'] });
  });

  test('with an unknown outcome determines the reason, although another was rejected before', () => {
    const { kv, seen } = begin();
    kv.txns[1]?.fail(denied);
    kv.txns[0]?.fail(unknownOutcome);
    expect(seen.error).toMatchObject({ reason: 'AmbiguousWrite', cause: unknownOutcome });
    expect(valuesOf(seen.error)).toEqual({
      ambiguous: ['secret 0', 'secret 1'],
      unwritten: ['secret 2', 'secret 3', 'secret 4', 'secret 5'],
    });
  });

  test('with an error that is not of etcd has an unknown outcome', () => {
    const { kv, seen } = begin();
    const boom = new Error('boom');
    kv.txns[0]?.fail(boom);
    kv.txns[1]?.answer(5);
    expect(seen.error).toMatchObject({ reason: 'AmbiguousWrite', cause: { cause: { cause: boom } } });
  });

  test('is reported with its first keys, and without values', () => {
    const { kv, seen } = begin();
    kv.txns[1]?.fail(unknownOutcome);
    kv.txns[0]?.fail(denied);
    expect(String(seen.error)).toBe(
      'PutAllError: putAll stopped: 2 entries may or may not have been written ("c", "d"); 4 entries not written ("a", "b", "e" and 1 more): ' +
        'the write may or may not have been carried out: lost (KV.Txn at http://a)',
    );
    expect(JSON.stringify(seen.error)).toContain('"reason":"AmbiguousWrite"');
    expect(JSON.stringify(seen.error)).not.toContain('secret');
  });

  test('unsubscribes from the source, however much is left', () => {
    const kv = new HeldKv();
    let open = true;
    function* endless(): Generator<PutEntry> {
      try {
        for (let n = 0; ; n++) yield entry(`${n}`);
      } finally {
        open = false;
      }
    }
    const pulled = new Seen(putAll(kv, endless(), { concurrency: 1 }));
    kv.txns[0]?.fail(denied);
    expect(open).toBe(false);
    expect(pulled.error).toMatchObject({ reason: 'PermissionDenied' });

    const source = new Subject<PutEntry>();
    const pushed = new Seen(source.pipe(putAll(kv)));
    source.next(entry('a'));
    source.next(entry('b'));
    kv.txns[1]?.fail(denied);
    expect(source.observed).toBe(false);
    expect(pushed.ended).toBe(false);
    kv.txns[2]?.answer(2);
    expect(pushed.error).toMatchObject({ reason: 'PermissionDenied' });
  });

  test('is passed on unchanged if the error is a bug of the client', () => {
    expect(isPutAllError(denied)).toBe(false);
    expect(isPutAllError(new Error('ambiguous unwritten'))).toBe(false);
  });
});

describe('entries before the end of the source are written first', () => {
  const ended = (bad: Observable<PutEntry>, config = {}) => {
    const kv = new HeldKv();
    const seen = new Seen(concat(of(entry('a'), entry('b')), bad).pipe(putAll(kv, { concurrency: 1, ...config })));
    expect(seen.ended).toBe(false);
    kv.txns[0]?.answer(2);
    kv.txns[1]?.answer(3);
    expect(seen.values).toEqual([['a'], ['b']]);
    return seen;
  };

  test('if the source errors', () => {
    const boom = new Error('boom');
    expect(ended(throwError(() => boom)).error).toBe(boom);
  });

  test('if the source completes', () => {
    expect(ended(of()).completed).toBe(true);
  });

  test.each<[string, unknown, string]>([
    [
      'a wrong key',
      { key: 7, value: 'secret' },
      'key of the entry at index 2 of putAll: expected a string or a Uint8Array, received number',
    ],
    [
      'an empty key',
      { key: '', value: 'secret' },
      'key of the entry at index 2 of putAll: expected a string or a Uint8Array that is not empty, received an empty string',
    ],
    [
      'a wrong value',
      { key: 'k', value: 7 },
      'value of the entry at index 2 of putAll, with the key "k": expected a string or a Uint8Array, received number',
    ],
    ['no object', 'secret', 'the entry at index 2 of putAll: expected { key, value }, received string'],
    ['nothing', undefined, 'the entry at index 2 of putAll: expected { key, value }, received nothing'],
  ])('if an entry is InvalidArgument: %s', (_, bad, message) => {
    expect(ended(concat(of(bad as PutEntry), NEVER)).error).toMatchObject({ reason: 'InvalidArgument', message });
  });

  test('if an entry exceeds maxWaiting, which is BufferOverflow and unsubscribes from the source', () => {
    const more = new Subject<PutEntry>();
    const kv = new HeldKv();
    const seen = new Seen(more.pipe(putAll(kv, { concurrency: 1, maxWaiting: 2 })));
    for (const key of 'abcd') more.next(entry(key));
    expect(more.observed).toBe(false);
    kv.txns[0]?.answer(2);
    kv.txns[1]?.answer(3);
    expect(seen.values).toEqual([['a'], ['b', 'c']]);
    expect(seen.error).toMatchObject({
      reason: 'BufferOverflow',
      message: expect.stringContaining('the source is faster than the server: 2 entries wait, and another arrived'),
    });
  });

  test('if a txn fails meanwhile, whose error takes precedence', () => {
    const kv = new HeldKv();
    const seen = new Seen(
      concat(
        of(entry('a')),
        throwError(() => new Error('boom')),
      ).pipe(putAll(kv)),
    );
    kv.txns[0]?.fail(denied);
    expect(isPutAllError(seen.error)).toBe(true);
  });
});

describe('an iterable as the source of putAll', () => {
  /** Counts what is taken from it. */
  class Counted implements Iterable<PutEntry> {
    taken = 0;
    left = false;
    constructor(private readonly size: number) {}

    *[Symbol.iterator](): Generator<PutEntry> {
      try {
        for (let n = 0; n < this.size; n++) {
          this.taken++;
          yield entry(`${n}`);
        }
      } finally {
        this.left = true;
      }
    }
  }

  test('fills the first txns, and is then read only as far as the next txns need', () => {
    const kv = new HeldKv();
    const entries = new Counted(Infinity);
    const subscription = putAll(kv, entries, { concurrency: 2, maxOps: 3 }).subscribe();
    expect(kv.txns.map(({ puts }) => puts.length)).toEqual([3, 3]);
    expect(entries.taken).toBe(9);
    for (let i = 0; i < 100; i++) kv.txns[i]?.answer(i);
    expect(entries.taken).toBe(309);
    subscription.unsubscribe();
    expect(entries.left).toBe(true);
    expect(kv.underWay).toEqual([]);
  });

  test('is read beyond one txn if some entries wait for others of their keys', () => {
    const kv = new HeldKv();
    putAll(
      kv,
      ['a', 'a', 'a', 'b', 'c', 'd'].map((key) => entry(key)),
      { concurrency: 2, maxOps: 3 },
    ).subscribe();
    expect(kv.txns.map(({ keys }) => keys)).toEqual([['a', 'b', 'c'], ['d']]);
  });

  test('that may block is read ahead for all txns that may be in progress', async () => {
    const kv = new HeldKv();
    let taken = 0;
    const asked = new Subject<void>();
    async function* entries(): AsyncGenerator<PutEntry> {
      for (; ; await Promise.resolve()) {
        if (++taken === 14) asked.next();
        yield entry(`${taken}`);
      }
    }
    const ahead = firstValueFrom(asked);
    const subscription = putAll(kv, entries(), { concurrency: 2, maxOps: 6 }).subscribe();
    await ahead;
    await new Promise(setImmediate);
    // Two txns at once, each with one entry, and 12 entries that wait.
    expect(kv.txns.map(({ puts }) => puts.length)).toEqual([1, 1]);
    expect(taken).toBe(14);
    subscription.unsubscribe();
  });

  test('of large entries is not read beyond the limit of bytes', () => {
    const kv = new HeldKv();
    const entries = new Counted(Infinity);
    putAll(kv, entries, { concurrency: 2, maxBytes: 2 }).subscribe();
    expect(kv.txns.map(({ puts }) => puts.length)).toEqual([1, 1]);
    expect(entries.taken).toBe(4);
  });

  test('of one key is read after each response', () => {
    const kv = new HeldKv();
    putAll(kv, new Array<PutEntry>(10).fill(entry('a')), { concurrency: 2, maxOps: 2 }).subscribe();
    for (let i = 0; i < 10; i++) {
      expect(kv.txns).toHaveLength(i + 1);
      kv.txns[i]?.answer(i);
    }
  });

  test('is iterated again for each subscription, and does not grow the stack', () => {
    const entries = new Counted(20_000);
    const results$ = putAll(atOnce, entries, { maxOps: 1 });
    expect(new Seen(results$).results).toHaveLength(20_000);
    expect(new Seen(results$).completed).toBe(true);
    expect(entries.taken).toBe(40_000);
  });

  test('is closed once, and not at all when it is exhausted', () => {
    let returned = 0;
    const entriesOf = (size: number): Iterable<PutEntry> => ({
      [Symbol.iterator]: () => {
        let n = 0;
        return {
          next: () => (n < size ? { done: false, value: entry(`${n++}`) } : { done: true, value: undefined }),
          return: () => {
            returned++;
            return { done: true, value: undefined };
          },
        };
      },
    });
    expect(new Seen(putAll(new MemoryKv(), entriesOf(3))).completed).toBe(true);
    expect(returned).toBe(0);
    const kv = new HeldKv();
    const seen = new Seen(putAll(kv, entriesOf(Infinity)));
    for (const txn of kv.underWay) txn.fail(denied);
    expect(isPutAllError(seen.error)).toBe(true);
    expect(returned).toBe(1);
  });

  test('without end stops at take', () => {
    const entries = new Counted(Infinity);
    putAll(new MemoryKv(), entries, { maxOps: 2 }).pipe(take(3)).subscribe();
    expect(entries.left).toBe(true);
    expect(entries.taken).toBeLessThan(100);
  });

  test('that throws ends the stream with its error, after the entries before it', () => {
    const boom = new Error('boom');
    function* failing(): Generator<PutEntry> {
      yield entry('a');
      throw boom;
    }
    const kv = new HeldKv();
    const seen = new Seen(putAll(kv, failing()));
    expect(seen.ended).toBe(false);
    kv.txns[0]?.answer(2);
    expect(seen.values).toEqual([['a']]);
    expect(seen.error).toBe(boom);
  });
});

describe('an async iterable as the source of putAll', () => {
  /** Lets all waiting promises continue. */
  const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

  test('is read one entry at a time, and a single entry is sent at once', async () => {
    const gate = new Subject<void>();
    let left = false;
    async function* slow(): AsyncGenerator<PutEntry> {
      try {
        yield entry('a');
        await new Promise<void>((resolve) => gate.subscribe(resolve));
        for (let n = 0; ; n++) yield await Promise.resolve(entry(`${n}`));
      } finally {
        left = true;
      }
    }
    const kv = new HeldKv();
    const subscription = putAll(kv, slow(), { concurrency: 1, maxOps: 4 }).subscribe();
    await settled();
    expect(kv.keys).toEqual([['a']]);
    gate.next();
    await settled();
    kv.txns[0]?.answer(2);
    await settled();
    kv.txns[1]?.answer(3);
    expect(kv.keys.slice(1)).toEqual([
      ['0', '1', '2', '3'],
      ['4', '5', '6', '7'],
    ]);
    subscription.unsubscribe();
    await settled();
    expect(left).toBe(true);
  });

  test('completes, errors, and is closed without an error if closing fails', async () => {
    async function* entries(end: () => void): AsyncGenerator<PutEntry> {
      try {
        yield await Promise.resolve(entry('a'));
        end();
      } finally {
        end();
      }
    }
    const boom = new Error('boom');
    const kv = new MemoryKv();
    const done = new Seen(
      putAll(
        kv,
        entries(() => undefined),
      ),
    );
    const failed = new Seen(
      putAll(
        kv,
        entries(() => {
          throw boom;
        }),
      ),
    );
    await settled();
    expect(done.completed).toBe(true);
    expect(failed.error).toBe(boom);
    const taken = new Seen(
      putAll(
        kv,
        entries(() => {
          throw boom;
        }),
      ).pipe(take(1)),
    );
    await settled();
    expect(taken.completed).toBe(true);
  });
});

test('sends nothing more after take has unsubscribed', () => {
  const kv = new HeldKv();
  from([entry('a'), entry('b'), entry('c')])
    .pipe(putAll(kv, { concurrency: 1 }), take(1))
    .subscribe();
  kv.txns[0]?.answer(2);
  expect(kv.keys).toEqual([['a']]);
});

describe('an entry is written as it was passed, although its buffers are reused while it waits', () => {
  class Reading implements PutEntry {
    constructor(
      readonly key: Uint8Array,
      readonly value: Uint8Array,
    ) {}
  }
  const bytesOf = (key: string) => [Buffer.from(key), Buffer.from('1')] as const;
  const plain = (key: string): PutEntry => ({ key: bytesOf(key)[0], value: bytesOf(key)[1] });
  const shapes: readonly (readonly [string, (key: string) => PutEntry])[] = [
    ['plain', plain],
    ['with a method', (key) => Object.assign(plain(key), { done: () => undefined })],
    ['of a class', (key) => new Reading(...bytesOf(key))],
  ];
  const refill = (entries: readonly PutEntry[]) => {
    for (const { key, value } of entries) for (const bytes of [key, value]) if (typeof bytes !== 'string') bytes.fill(0);
  };
  const writtenOf = (kv: HeldKv) => {
    for (let at = 0; at < kv.txns.length; at++) kv.txns[at]?.answer(at + 2);
    return kv.txns.map(({ keys, values }) => [...keys, ...values]);
  };

  test.each(shapes)('%s, from an Observable', (_, make) => {
    const kv = new HeldKv();
    const entries = ['a', 'b', 'c'].map(make);
    from(entries)
      .pipe(putAll(kv, { concurrency: 1, maxOps: 1 }))
      .subscribe();
    refill(entries.slice(1));
    expect(writtenOf(kv)).toEqual([
      ['a', '1'],
      ['b', '1'],
      ['c', '1'],
    ]);
  });

  test.each(shapes.slice(0, 2))('%s, from a list, before it is subscribed to', (_, make) => {
    const kv = new HeldKv();
    const entries = ['a', 'b', 'c'].map(make);
    const results$ = putAll(kv, entries, { concurrency: 1, maxOps: 1 });
    refill(entries);
    results$.subscribe();
    expect(writtenOf(kv)).toEqual([
      ['a', '1'],
      ['b', '1'],
      ['c', '1'],
    ]);
  });
});

test('unsubscribing aborts the txns in progress', () => {
  const kv = new HeldKv();
  const source = new Subject<PutEntry>();
  const subscription = source.pipe(putAll(kv)).subscribe();
  for (const key of 'abc') source.next(entry(key));
  expect(kv.underWay).toHaveLength(3);
  subscription.unsubscribe();
  expect(kv.underWay).toEqual([]);
  expect(source.observed).toBe(false);
});

test.each(['concurrency', 'maxOps', 'maxBytes', 'maxWaiting'])('rejects an invalid %s at once', (option) => {
  for (const value of [0, -1, 1.5, Number.NaN, '8']) {
    const shown = typeof value === 'string' ? 'string' : String(value);
    expect(() => putAll(new MemoryKv(), { [option]: value })).toThrow(
      new RegExp(`^${option} of putAll: expected a whole number from 1(, or Infinity)?, received ${shown}$`),
    );
    expect(() => putAll(new MemoryKv(), [], { [option]: value })).toThrow(option);
  }
});

test('accepts Infinity only for maxWaiting', () => {
  expect(() => putAll(new MemoryKv(), { maxWaiting: Infinity })).not.toThrow();
  expect(() => putAll(new MemoryKv(), { concurrency: Infinity })).toThrow('concurrency');
});

test('the example', () => {
  const etcd = { kv: new MemoryKv() };
  const console = logger();
  function* squares(count: number): Generator<PutEntry> {
    for (let n = 0; n < count; n++) yield { key: `squares/${n}`, value: String(n * n) };
  }
  putAll(etcd.kv, squares(100_000))
    .pipe(
      scan((written, { entries }) => written + entries.length, 0),
      last(),
    )
    .subscribe({ next: (written) => console.log(written, 'written') });
  expect(console.lines).toEqual(['100000 written']);
  expect(etcd.kv.server.get('squares/999')?.value).toBe('998001');
});
