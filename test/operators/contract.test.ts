import { describe, expect, test } from '@jest/globals';
import * as t from 'io-ts';
import { materialize, NEVER, Observable, of, range, Subject, take, throwError, concat, map, finalize, type OperatorFunction } from 'rxjs';
import {
  afterRevision,
  byRevision,
  changedValues,
  commitTxn,
  compareAndSet,
  conflateByKey,
  decodeJson,
  decodeWith,
  deletes,
  foldEvents,
  guardedBy,
  matchKey,
  ofType,
  parseJsonStream,
  putAll,
  puts,
  putTo,
  retryBackoff,
  takeUntilAborted,
  tryDecode,
  untilReleased,
  untilRevision,
  whileLeader,
  withLease,
  withLock,
  type PutTarget,
  type TxnTarget,
} from '../../operators/index.js';
import type { BytesLike } from '../../src/model/bytes.js';
import { key } from '../../src/model/op.js';
import { del, put } from './support.js';

/** The contract of every operator. `item(i)` is its i-th input, and two inputs or three make an output. */
function contract<T>(name: string, operator: OperatorFunction<T, unknown>, item: (i: number) => T): void {
  describe(name, () => {
    const items = (from: number, count: number): Observable<T> => range(from, count).pipe(map(item));

    test('passes on an error of the source', () => {
      const boom = new Error('boom');
      let seen: unknown;
      concat(
        items(1, 3),
        throwError(() => boom),
      )
        .pipe(operator)
        .subscribe({ error: (error: unknown) => (seen = error) });
      expect(seen).toBe(boom);
    });

    test('completes with the source', () => {
      let completed = false;
      items(1, 3)
        .pipe(operator)
        .subscribe({ complete: () => (completed = true) });
      expect(completed).toBe(true);
    });

    test('unsubscribes from the source', () => {
      let open = true;
      concat(items(1, 3), NEVER)
        .pipe(
          finalize(() => (open = false)),
          operator,
        )
        .subscribe()
        .unsubscribe();
      expect(open).toBe(false);
    });

    test('stops a source that produces synchronously', () => {
      let produced = 0;
      const endless = new Observable<T>((subscriber) => {
        for (let i = 1; i <= 1000 && !subscriber.closed; i++) {
          produced++;
          subscriber.next(item(i));
        }
      });
      endless.pipe(operator, take(1)).subscribe();
      expect(produced).toBeLessThanOrEqual(3);
    });

    test('keeps separate state for each subscriber', () => {
      const source = new Subject<T>();
      const shared = source.pipe(operator);
      const [first, second]: [unknown[], unknown[]] = [[], []];
      shared.pipe(materialize()).subscribe((value) => first.push(value));
      for (let i = 1; i <= 3; i++) source.next(item(i));
      shared.pipe(materialize()).subscribe((value) => second.push(value));
      for (let i = 4; i <= 6; i++) source.next(item(i));
      source.complete();
      const alone = (from: number, count: number): unknown[] => {
        const seen: unknown[] = [];
        items(from, count)
          .pipe(operator, materialize())
          .subscribe((value) => seen.push(value));
        return seen;
      };
      expect(first.map(plain)).toEqual(alone(1, 6).map(plain));
      expect(second.map(plain)).toEqual(alone(4, 3).map(plain));
    });
  });
}

/** Snapshots hide their entries, so they are compared by their content. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value, (_, part: unknown) => (isIterable(part) ? [...part] : part)));

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

const number = (i: number) => put('a', String(i), i);
const answer = { succeeded: true, header: {}, responses: [] };
const kv = { put: () => of(answer), txn: () => of(answer) } as unknown as PutTarget & TxnTarget;

contract('afterRevision', afterRevision(0), number);
contract('byRevision', byRevision(), (i) => put('a', '', Math.ceil(i / 2)));
contract('changedValues', changedValues(), (i) => put('a', String(i - (i % 2)), i));
contract('commitTxn', commitTxn(kv), () => ({}));
contract<BytesLike>('parseJsonStream', parseJsonStream(), (i) => JSON.stringify({ i }));
contract('compareAndSet', compareAndSet(kv), (i) => ({ key: 'a', expected: undefined, value: String(i) }));
contract(
  'conflateByKey',
  conflateByKey((changes) => of(changes)),
  (i) => put('a', '', i),
);
contract('decodeJson', decodeJson(t.number), number);
contract('decodeWith', decodeWith(t.string), number);
contract('deletes', deletes(), (i) => del('a', i));
contract('foldEvents', foldEvents(), (i) => put(`a${i}`, '', i));
contract('foldEvents with a seed', foldEvents({ seed: [] }), (i) => put(`a${i}`, '', i));
contract('guardedBy', guardedBy(key('a').exists()), () => ({}));
contract('matchKey', matchKey(/a/g), number);
contract('ofType', ofType('put'), number);
contract('putAll', putAll(kv), (i) => ({ key: `${i}`, value: '' }));
contract('puts', puts(), number);
contract('putTo', putTo(kv, 'a'), (i) => i);
contract('retryBackoff', retryBackoff(), number);
contract('takeUntilAborted', takeUntilAborted(new AbortController().signal), number);
contract('tryDecode', tryDecode(t.number), (i) => put('a', i % 2 === 0 ? 'oops' : '1', i));
contract('untilReleased', untilReleased(), number);
contract('untilRevision', untilRevision(1000), number);
contract('untilRevision of whole revisions', untilRevision(1000, { wholeRevisions: true }), number);
contract(
  'whileLeader',
  whileLeader((held: object) => of(held)),
  (i) => ({ i }),
);
contract(
  'withLease',
  withLease((lease: object) => of(lease)),
  (i) => ({ type: 'granted', lease: { i } }),
);
contract(
  'withLock',
  withLock(of({}), (job: number) => of(job)),
  (i) => i,
);

test('the contract detects shared state', () => {
  let count = 0;
  const shared = map(() => count++);
  const first: number[] = [];
  const second: number[] = [];
  of(1, 2)
    .pipe(shared)
    .subscribe((value) => first.push(value));
  of(1, 2)
    .pipe(shared)
    .subscribe((value) => second.push(value));
  expect(second).not.toEqual(first);
});
