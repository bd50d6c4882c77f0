import { defer, map, of, switchMap, take, throwIfEmpty, type Observable, throwError, timer } from 'rxjs';
import { EtcdError } from '../../errors/index.js';
import type { KvService } from '../../services/kv.js';
import { capturedBytes, isBytesLike, toBase64, type BytesLike } from '../../model/bytes.js';
import { checkArgument, checkOptions, FUNCTION, invalidArgument, LEASE, type OptionKinds, WHOLE } from '../../model/validate.js';
import { del, key as on, type Op, put } from '../../model/op.js';
import type { LeaseId } from '../../model/ids.js';
import { KeyValue } from '../../model/keyValue.js';
import type { ResponseHeader } from '../../model/responses.js';
import { outcomeOf, type MaybeAsync } from '../../util/rx.js';
import { Backoff } from '../../util/time.js';

/** The options of retries after conflicts. */
export interface RetryOptions {
  /**
   * The maximum number of attempts: 16 by default. If all attempts fail because of other writes, the Observable errors
   * with `Conflict`.
   */
  readonly maxAttempts?: number;
}

export const RETRY_OPTIONS: OptionKinds<RetryOptions> = { maxAttempts: WHOLE };

const DEFAULT_MAX_ATTEMPTS = 16;

/**
 * The first and the longest pause, in milliseconds. The first pause is about as long as a round trip. The longest pause
 * is long enough to spread the attempts of many clients.
 */
const INITIAL_MS = 5;
const MAX_MS = 500;

/**
 * Repeats an attempt after each conflict, with a growing pause. An attempt reports a conflict by emitting undefined.
 * Errors are not retried.
 */
export function retryOptimistically<T>(
  what: string,
  { maxAttempts = DEFAULT_MAX_ATTEMPTS }: RetryOptions,
  attempt: (count: number) => Observable<T | undefined>,
): Observable<T> {
  return defer(() => {
    const backoff = new Backoff(INITIAL_MS, MAX_MS);
    const next = (count: number): Observable<T> =>
      attempt(count).pipe(
        switchMap((done) => {
          if (done !== undefined) return of(done);
          if (count >= maxAttempts)
            return throwError(() => new EtcdError('Conflict', `${what} failed after ${count} attempts: keys were modified concurrently`));
          return timer(backoff.next()).pipe(switchMap(() => next(count + 1)));
        }),
      );
    return next(1);
  });
}

/** The options of `update`: the lease of the key, and retries. */
export interface UpdateOptions extends RetryOptions {
  /** The lease that the key is attached to. By default the key keeps its lease; `leaseId(0)` detaches the key. */
  readonly lease?: LeaseId;
}

const UPDATE: OptionKinds<UpdateOptions> = { ...RETRY_OPTIONS, lease: LEASE };

/** An update that was carried out. */
export interface UpdateResult {
  readonly header: ResponseHeader;
  /** The key after the update; undefined if the key does not exist. */
  readonly kv: KeyValue | undefined;
  /** The key before the update, as the function received it; undefined if the key did not exist. */
  readonly prevKv: KeyValue | undefined;
  /** The number of attempts, which is the number of times that the function ran. */
  readonly attempts: number;
}

/**
 * A function that returns the new value of a key. If the function returns undefined, the key is deleted. If it returns
 * `current` itself, the key remains unchanged.
 */
export type Updater = (current: KeyValue | undefined) => MaybeAsync<BytesLike | KeyValue | undefined>;

interface Seen {
  readonly header: ResponseHeader;
  readonly kv: KeyValue | undefined;
}

/** Creates the method `update`. */
export function updates(kv: KvService): (key: BytesLike, change: Updater, options?: UpdateOptions) => Observable<UpdateResult> {
  return (key, change, options = {}) =>
    defer(() => {
      checkArgument('update', 'change', change, FUNCTION);
      const { lease, ...retry } = checkOptions('update', options, UPDATE);
      return retryOptimistically('update', retry, (attempts) =>
        read(kv, key).pipe(
          switchMap((seen) => valueOf(change, seen.kv).pipe(switchMap((value) => write(kv, key, value, seen, lease)))),
          map((written) => written && { ...written, attempts }),
        ),
      );
    });
}

const read = (kv: KvService, key: BytesLike): Observable<Seen> =>
  kv.range({ key }).pipe(map(({ header, kvs }) => ({ header, kv: kvs[0] })));

function valueOf(change: Updater, current: KeyValue | undefined): Observable<BytesLike | KeyValue | undefined> {
  return outcomeOf(() => change(current)).pipe(
    take(1),
    // If an Observable completes without a value, the key is not deleted. Only an explicit undefined deletes it.
    throwIfEmpty(
      () => new EtcdError('InvalidArgument', 'result of update: expected one value, received no value; undefined deletes the key'),
    ),
    map((value: unknown) => {
      if (value === undefined || isBytesLike(value)) return capturedBytes(value);
      if (value === current) return current;
      throw invalidArgument(
        'result of the function of update',
        'a string, a Uint8Array, undefined, or the KeyValue that was passed to the function',
        value,
      );
    }),
  );
}

/** The result of an attempt; undefined after a conflict. */
type Written = Omit<UpdateResult, 'attempts'> | undefined;

function write(
  kv: KvService,
  key: BytesLike,
  value: BytesLike | KeyValue | undefined,
  { header, kv: prevKv }: Seen,
  wanted: LeaseId | undefined,
): Observable<Written> {
  // The key did not exist when it was read, so nothing has to be deleted.
  if (value === undefined && prevKv === undefined) return of({ header, kv: undefined, prevKv });
  if (value instanceof KeyValue) return of({ header, kv: prevKv, prevKv });
  const lease = wanted ?? prevKv?.lease;
  const op: Op = value === undefined ? del({ key }) : put(key, value, lease === undefined ? {} : { lease });
  return kv.txn({ compare: [on({ key }).modRevision.equals(prevKv?.modRevision ?? 0)], success: [op] }).pipe(
    map((result): Written => {
      if (!result.succeeded) return undefined;
      return {
        header: result.header,
        kv: value === undefined ? undefined : after(key, value, lease, prevKv, result.header.revision),
        prevKv,
      };
    }),
  );
}

/** Returns the key as it is after the put. The compare of the txn ensures that the result is correct. */
function after(key: BytesLike, value: BytesLike, lease: LeaseId | undefined, prevKv: KeyValue | undefined, revision: number): KeyValue {
  return new KeyValue({
    key64: toBase64(key),
    value64: toBase64(value),
    createRevision: prevKv?.createRevision ?? revision,
    modRevision: revision,
    version: (prevKv?.version ?? 0) + 1,
    lease: lease === '0' ? undefined : lease,
  });
}
