/**
 * The operators accept what a client emits, and return what it accepts, with the types preserved. Checked by the
 * compiler; never run.
 */
import { expectTypeOf } from 'expect-type';
import { map, of, type Observable } from 'rxjs';
import {
  get,
  key,
  put,
  range,
  txn,
  type Client,
  type HeldLease,
  type KeyValue,
  type Leadership,
  type LeaseId,
  type LockHandle,
  type OwnershipEvent,
  type PutOp,
  type PutResponse,
  type RangeResponse,
  type TxnOp,
  type TxnResult,
} from 'rxetcd';
import {
  commitTxn,
  compareAndSet,
  guardedBy,
  putAll,
  putTo,
  retryBackoff,
  whileLeader,
  withLease,
  withLock,
  type Committed,
  type CompareAndSetResult,
  type FencedTxn,
  type PutAllResult,
  type PutEntry,
} from 'rxetcd/operators';

interface Job {
  readonly id: number;
}

type ValueOf<T> = T extends Observable<infer V> ? V : never;
type Succeeded<R> = Extract<R, { succeeded: true }>;
type Failed<R> = Extract<R, { succeeded: false }>;

export function leases({ lease, kv }: Client): void {
  const announced = lease({ ttl: 10, onLost: 'regrant' }).pipe(
    withLease((held, index) => {
      expectTypeOf(held).toEqualTypeOf<HeldLease>();
      expectTypeOf(index).toEqualTypeOf<number>();
      return kv.put('a', '1', { lease: held.id });
    }),
  );
  expectTypeOf(announced).toEqualTypeOf<Observable<PutResponse>>();
  expectTypeOf(lease.adopt('1' as LeaseId).pipe(withLease(() => [1], { onComplete: 'release' }))).toEqualTypeOf<Observable<number>>();
  // @ts-expect-error there is no such thing to do
  void lease({ ttl: 10 }).pipe(withLease(() => [1], { onComplete: 'revoke' }));
}

export function locks({ lock, tryLock, election }: Client, jobs: Observable<Job>): void {
  const done = jobs.pipe(
    withLock(lock('jobs'), (job, ownership) => {
      expectTypeOf(job).toEqualTypeOf<Job>();
      expectTypeOf(ownership).toEqualTypeOf<LockHandle>();
      return of(String(job.id));
    }),
  );
  expectTypeOf(done).toEqualTypeOf<Observable<string>>();
  const apart = jobs.pipe(
    withLock(
      ({ id }) => tryLock(`jobs/${id}`),
      async ({ id }, { revision }) => id + revision,
      { strategy: 'merge' },
    ),
  );
  expectTypeOf(apart).toEqualTypeOf<Observable<number>>();
  expectTypeOf(jobs.pipe(withLock(election('e').campaign(''), (_, leadership) => of(leadership)))).toEqualTypeOf<Observable<Leadership>>();
  const again = jobs.pipe(
    withLock(lock('jobs', { onLost: 'reacquire' }), (job, ownership) => {
      expectTypeOf(ownership).toEqualTypeOf<LockHandle & { readonly type: 'owned' }>();
      return of(ownership.revision + job.id);
    }),
  );
  expectTypeOf(again).toEqualTypeOf<Observable<number>>();
  const led = election('e')
    .campaign('', { onLost: 'reacquire' })
    .pipe(
      whileLeader((leadership) => {
        expectTypeOf(leadership).toEqualTypeOf<Leadership & { readonly type: 'owned' }>();
        return leadership.proclaim('x');
      }),
    );
  expectTypeOf(led).toEqualTypeOf<Observable<void>>();
  // The event of a loss has no fields of an ownership, so the compiler rejects code that confuses them.
  expectTypeOf<keyof OwnershipEvent<Leadership>>().toEqualTypeOf<'type'>();
  expectTypeOf(lock('jobs', { onLost: 'reacquire' })).toEqualTypeOf<Observable<OwnershipEvent<LockHandle>>>();
  expectTypeOf(lock('jobs', { onLost: 'error' })).toEqualTypeOf<Observable<LockHandle>>();
  // @ts-expect-error there is no such strategy
  void jobs.pipe(withLock(lock('jobs'), () => [], { strategy: 'queue' }));
}

export function elections({ election }: Client): void {
  const led = election('e')
    .campaign('me')
    .pipe(
      whileLeader((leadership) => {
        expectTypeOf(leadership).toEqualTypeOf<Leadership>();
        return leadership.proclaim('still me').pipe(map(() => 1));
      }),
      retryBackoff(),
    );
  expectTypeOf(led).toEqualTypeOf<Observable<number>>();
}

export function txns({ kv }: Client, names: Observable<string>): void {
  const result = names.pipe(
    commitTxn(kv, (name, index) => {
      expectTypeOf(name).toEqualTypeOf<string>();
      expectTypeOf(index).toEqualTypeOf<number>();
      return { compare: [key(name).missing()], success: [put(name, '1'), get('a')], failure: [range({ prefix: 'a' })] };
    }),
  );
  type Result = ValueOf<typeof result>;
  expectTypeOf<Succeeded<Result>['responses']>().toEqualTypeOf<readonly [PutResponse, KeyValue | undefined]>();
  expectTypeOf<Failed<Result>['responses']>().toEqualTypeOf<readonly [RangeResponse]>();

  const half = names.pipe(commitTxn(kv, (name) => ({ success: [put(name, '1')] })));
  expectTypeOf<Failed<ValueOf<typeof half>>['responses']>().toEqualTypeOf<readonly []>();

  const built = names.pipe(
    map((name) => txn({ success: [put(name, '1')], failure: [get(name)] })),
    commitTxn(kv),
  );
  expectTypeOf<Succeeded<ValueOf<typeof built>>['responses']>().toEqualTypeOf<readonly [PutResponse]>();
  expectTypeOf<Failed<ValueOf<typeof built>>['responses']>().toEqualTypeOf<readonly [KeyValue | undefined]>();
  // @ts-expect-error a string is no txn
  void names.pipe(commitTxn(kv));
}

export function fences({ kv, lock }: Client, ownership: LockHandle, names: Observable<string>): void {
  const specs = names.pipe(map((name) => txn({ success: [put(name, '1')], failure: [get(name)] })));
  const fenced = specs.pipe(guardedBy(ownership));
  expectTypeOf(fenced).toEqualTypeOf<Observable<FencedTxn<readonly [PutOp], readonly [ReturnType<typeof get>]>>>();
  const committed = fenced.pipe(commitTxn(kv));
  expectTypeOf(committed).toEqualTypeOf<Observable<TxnResult<readonly [PutOp], readonly [ReturnType<typeof get>]>>>();
  const twice = specs.pipe(guardedBy(ownership), guardedBy(key('b').exists()), commitTxn(kv));
  expectTypeOf(twice).toEqualTypeOf<typeof committed>();
  const inLock = names.pipe(withLock(lock('l'), (name, owned) => of(txn({ success: [get(name)] })).pipe(guardedBy(owned), commitTxn(kv))));
  expectTypeOf<Succeeded<ValueOf<typeof inLock>>['responses']>().toEqualTypeOf<readonly [KeyValue | undefined]>();
  // In the argument of kv.txn, the guard is the condition and the txn the only operation.
  expectTypeOf<ReturnType<typeof rawly>>().toEqualTypeOf<
    Observable<TxnResult<readonly [TxnOp<readonly [PutOp], readonly []>], readonly []>>
  >();
  const rawly = (spec: FencedTxn<readonly [PutOp], readonly []>) => kv.txn(spec);
  expectTypeOf<Committed<FencedTxn<readonly [PutOp], readonly []>>>().toEqualTypeOf<TxnResult<readonly [PutOp], readonly []>>();
  // @ts-expect-error a key is no condition
  guardedBy('a');
}

export function writes({ kv }: Client, numbers: Observable<number>, id: LeaseId): void {
  expectTypeOf(numbers.pipe(putTo(kv, 'a'))).toEqualTypeOf<Observable<PutResponse>>();
  void numbers.pipe(putTo(kv, (value) => `a/${value.toFixed()}`, { encode: (value) => value.toFixed(2), lease: id, prevKv: true }));
  // @ts-expect-error a lease is identified by its id, not by any text
  void numbers.pipe(putTo(kv, 'a', { lease: '1' }));

  const set = kv.get('a').pipe(
    map((kv) => ({ key: 'a', expected: kv, value: '1', note: 7 })),
    compareAndSet(kv),
  );
  expectTypeOf(set).toEqualTypeOf<
    Observable<CompareAndSetResult<{ key: string; expected: KeyValue | undefined; value: string; note: number }>>
  >();
  expectTypeOf<Failed<ValueOf<typeof set>>['current']>().toEqualTypeOf<KeyValue | undefined>();
  expectTypeOf<Succeeded<ValueOf<typeof set>>['change']['note']>().toEqualTypeOf<number>();
  void of({ key: 'a', expected: { modRevision: 5 }, value: '' }, { key: 'a', expected: { value: 'x' }, value: '' }).pipe(compareAndSet(kv));
  // @ts-expect-error what is expected has to be said
  void of({ key: 'a', value: '' }).pipe(compareAndSet(kv));
}

export function bulk({ kv, namespace }: Client, numbers: Observable<number>, id: LeaseId, lines: AsyncIterable<PutEntry>): void {
  const noted = numbers.pipe(
    map((note) => ({ key: 'a', value: '1', note })),
    putAll(kv, { concurrency: 4 }),
  );
  expectTypeOf(noted).toEqualTypeOf<Observable<PutAllResult<{ key: string; value: string; note: number }>>>();
  expectTypeOf(putAll(namespace('app/').kv, [{ key: 'a', value: new Uint8Array(), lease: id }])).toEqualTypeOf<
    Observable<PutAllResult<{ key: string; value: Uint8Array<ArrayBuffer>; lease: LeaseId }>>
  >();
  expectTypeOf(putAll(kv, lines, { maxOps: 1 })).toEqualTypeOf<Observable<PutAllResult>>();
  // @ts-expect-error a number is no entry
  void numbers.pipe(putAll(kv));
  // @ts-expect-error a lease is identified by its id, not by any text
  void putAll(kv, [{ key: 'a', value: '1', lease: '1' }]);
  // @ts-expect-error an iterable waits by itself
  void putAll(kv, lines, { maxWaiting: 1 });
}
