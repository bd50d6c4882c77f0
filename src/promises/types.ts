import type { Observable } from 'rxjs';
import type { Json } from '../codec/descriptors.js';
import type { HeldLease } from '../concurrency/lease/leaseKeeper.js';
import type { LockHandle, LockOptions } from '../concurrency/lock/lock.js';
import type { StmOptions, StmResult, Transaction } from '../concurrency/transaction/stm.js';
import type { BytesLike } from '../model/bytes.js';
import type { Validator } from '../model/validator.js';
import type { Op, TxnResult, TxnSpec } from '../model/op.js';
import type { RawCallOptions } from '../services/rawCall.js';
import type { ReadCallOptions } from '../transport/call.js';
import type { RawResponse } from '../transport/wire.js';
import type { LiveValueOptions, ViewState } from '../watch/live/live.js';
import type { Held } from './hold.js';

/**
 * The methods of a client or a namespace as promises. The types are derived as follows:
 *
 * - a method whose Observable emits one value returns a Promise of the value, and sends its request at once. `call`
 *   with `streaming` returns a Promise of the first message only
 * - a stream is an async iterable; each iteration subscribes, and its end unsubscribes. Up to 1 024 values wait for a
 *   slow consumer. If another value arrives, the stream ends with `BufferOverflow`. `kv.pages` reads a page only when
 *   it is requested
 * - an Observable that holds something, such as a lock, is a Promise of {@link Held}. The methods of its `value` return
 *   promises, too
 */
export type Promises<A> = PromisedMembers<A, ''> & PromisesExtras<A>;

/** The options of `promises.withLock`: those of a lock, and a signal. */
export interface WithLockPromiseOptions extends Omit<LockOptions, 'onLost'> {
  /**
   * A signal that ends the wait for the lock with `Aborted`. While the work runs, this signal aborts the signal of the
   * work.
   */
  readonly signal?: AbortSignal;
}

/** The methods that only {@link Promises} has. */
export interface PromisesExtras<A> {
  /**
   * Returns the same methods with a signal. When the signal aborts, all calls and streams of these methods end with the
   * error `Aborted`. The error `Aborted` does not show whether a write was carried out. If the write itself has the
   * option `signal`, the error is `AmbiguousWrite` when the outcome is unknown. Locks and leases that are held are not
   * released.
   *
   * ```ts
   * const within = etcd.promises.withSignal(AbortSignal.timeout(5_000));
   * console.log((await within.watchOnce('jobs/done')).kv.value);
   * ```
   */
  withSignal(signal: AbortSignal): Promises<A>;
  /**
   * Acquires a lock, runs the work, and releases the lock. Resolves with the result of the work when the server has
   * confirmed the release. When the lock is lost, the Promise rejects with `LockLost`, and the `signal` of the work
   * aborts. If the work fails, the Promise rejects with the error of the work, after the release.
   *
   * ```ts
   * await etcd.promises.withLock('jobs', async ({ guard }) => {
   *   await etcd.promises.kv.txn({ compare: [guard], success: [put('jobs/last', 'done')] });
   * }, { ttl: 15 });
   * ```
   *
   * A failed release is not an error, because the lease of the lock expires by itself.
   */
  withLock<R>(
    name: string,
    work: (ownership: LockHandle, signal: AbortSignal) => R | PromiseLike<R>,
    options?: WithLockPromiseOptions,
  ): Promise<R>;
}

type Join<Path extends string, Name> = Name extends string ? (Path extends '' ? Name : `${Path}.${Name}`) : never;

/**
 * The methods with type parameters. TypeScript cannot convert such methods by a mapped type, so these few are written
 * by hand.
 */
interface GenericMethods {
  'kv.txn': <const S extends readonly Op[] = readonly [], const F extends readonly Op[] = readonly []>(
    spec: TxnSpec<S, F>,
    options?: ReadCallOptions,
  ) => Promise<TxnResult<S, F>>;
  call: {
    <A>(path: string, body: Json, options: RawCallOptions<A> & { readonly codec: Validator<A> }): Promise<A>;
    (
      path: string,
      body: Json,
      options: Omit<RawCallOptions<never>, 'codec' | 'streaming'> & { readonly raw: true; readonly streaming?: false },
    ): Promise<RawResponse>;
    (path: string, body: Json, options?: RawCallOptions<unknown>): Promise<unknown>;
  };
  stm: <T>(body: (tx: PromisedTransaction) => T | PromiseLike<T>, options?: StmOptions) => Promise<StmResult<T>>;
  liveValue: <A>(key: BytesLike, options: LiveValueOptions<A>) => AsyncIterable<A | undefined>;
  liveValueState: <A>(key: BytesLike, options: { readonly codec: Validator<A> }) => AsyncIterable<ViewState<A | undefined>>;
}

/** A transaction of `promises.stm`, whose reads are promises. */
export type PromisedTransaction = PromisedMembers<Transaction, 'tx'>;

/** The members of an object. Its methods return promises. */
export type PromisedMembers<A, Path extends string> = {
  readonly [Name in keyof A as Name extends 'promises' ? never : Name]: Join<Path, Name> extends keyof GenericMethods
    ? GenericMethods[Join<Path, Name>]
    : PromisedMember<A[Name], Join<Path, Name>>;
};

type PromisedMember<M, Path extends string> =
  M extends Observable<infer V>
    ? AsyncIterable<V>
    : M extends (...args: infer Args) => infer R
      ? ((...args: Args) => PromisedResult<R, Path>) & PromisedMembers<M, Path>
      : M extends object
        ? PromisedMembers<M, Path>
        : M;

type PromisedResult<R, Path extends string> =
  R extends Observable<infer V>
    ? Path extends keyof typeof KINDS
      ? (typeof KINDS)[Path] extends 'held'
        ? Promise<Held<PromisedValue<V>>>
        : AsyncIterable<V>
      : Promise<V>
    : R extends PromiseLike<unknown> | readonly unknown[]
      ? R
      : R extends { readonly promises: infer P }
        ? P
        : R extends object
          ? PromisedMembers<R, Path>
          : R;

/** A value that is held. Its methods return promises, such as `proclaim` of a leadership. */
export type PromisedValue<V> = V extends { readonly lease: HeldLease }
  ? Omit<V, 'lease'> & { readonly lease: PromisedCalls<HeldLease> }
  : PromisedCalls<V>;

type PromisedCalls<V> =
  CallsOf<V> extends never ? V : Omit<V, CallsOf<V>> & { readonly [Name in CallsOf<V>]: PromisedMember<V[Name], Join<'held', Name>> };

/** The names of the methods that return an Observable. */
type CallsOf<V> = { [Name in keyof V]: V[Name] extends (...args: never) => Observable<unknown> ? Name : never }[keyof V];

/**
 * The methods whose Observable is a stream, or is held while it is subscribed to. The keys are the paths of the methods
 * in a client. The Promise of any other method resolves with the first value of its Observable, which is usually the
 * only one.
 */
export const KINDS = {
  watch: 'stream',
  watchBatches: 'stream',
  live: 'stream',
  liveValue: 'stream',
  liveState: 'stream',
  liveReady: 'stream',
  liveValueState: 'stream',
  combineLive: 'stream',
  combineLiveState: 'stream',
  liveConfig: 'stream',
  liveConfigState: 'stream',
  'kv.pages': 'pages',
  'maintenance.snapshot': 'stream',
  'electionService.observe': 'stream',
  session: 'held',
  announce: 'held',
  cache: 'held',
  'held.watch': 'stream',
  lock: 'held',
  tryLock: 'held',
  readLock: 'held',
  writeLock: 'held',
  semaphore: 'held',
  lease: 'held',
  'lease.adopt': 'held',
  'election.campaign': 'held',
  'doubleBarrier.enter': 'held',
  'services.register': 'held',
} as const;

/** The form of a method's result: many values, pages that are read on demand, or a value that is held. */
export type Kind = (typeof KINDS)[keyof typeof KINDS];

/** Returns the path of a member, in the form of the keys of {@link KINDS}. */
export const joinPath = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

/** Returns the form of the result of the method at a path; undefined if the result is one value. */
export const kindOf = (path: string): Kind | undefined => (Object.hasOwn(KINDS, path) ? KINDS[path as keyof typeof KINDS] : undefined);
