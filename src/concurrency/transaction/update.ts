import { defer, map, of, switchMap, take, throwIfEmpty, type Observable } from 'rxjs';
import { EtcdError } from '../../errors/index.js';
import type { Kv } from '../../services/kv.js';
import { isBytesLike, toBase64, type BytesLike } from '../../model/bytes.js';
import { checkArgument, checkOptions, FUNCTION, LEASE, type OptionKinds } from '../../model/validate.js';
import { key as on } from '../../model/compare.js';
import { typeName } from '../../model/failures.js';
import type { LeaseId } from '../../model/ids.js';
import { KeyValue } from '../../model/keyValue.js';
import { del, put, type Op } from '../../model/op.js';
import type { ResponseHeader } from '../../model/responses.js';
import { outcomeOf, type Outcome } from '../../util/rx.js';
import { TRIES, untilDone, type TryOptions } from './optimisticRetry.js';

/** How a key is updated. */
export interface UpdateOptions extends TryOptions {
  /** The lease that the key hangs on from now. Without it the key stays with the lease that it has; `leaseId(0)` takes it off. */
  readonly lease?: LeaseId;
}

const UPDATE: OptionKinds<UpdateOptions> = { ...TRIES, lease: LEASE };

/** An update that was carried out. */
export interface UpdateResult {
  readonly header: ResponseHeader;
  /** What is there now; undefined where it was deleted. */
  readonly kv: KeyValue | undefined;
  /** What the function was given. */
  readonly prevKv: KeyValue | undefined;
  /** How often the function ran. */
  readonly tries: number;
}

/** What a key is to become, out of what it is; undefined deletes it. */
export type Updater = (current: KeyValue | undefined) => Outcome<BytesLike | undefined>;

/** Updates of keys. */
export interface Updates {
  /**
   * Reads a key, and writes what the function makes of it, if nobody has written to it meanwhile; if somebody has it is done again with what is there then. So **the
   * function may run several times**. It gives the new value, or an Observable or a Promise of it; undefined deletes the key. `Conflict` when others were faster
   * `maxTries` times. `AmbiguousWrite` when nobody knows whether it was carried out: it is not tried again then.
   *
   * ```ts
   * etcd.update('counter', (kv) => String(Number(kv?.value ?? 0) + 1)).subscribe(({ kv }) => console.log(kv?.value));
   * ```
   */
  update(key: BytesLike, change: Updater, options?: UpdateOptions): Observable<UpdateResult>;
}

interface Seen {
  readonly header: ResponseHeader;
  readonly kv: KeyValue | undefined;
}

/** The updates of a client. */
export function updates(kv: Kv): Updates {
  return {
    update: (key, change, options = {}) =>
      defer(() => {
        checkArgument('update', 'change', change, FUNCTION);
        const { lease, ...tries } = checkOptions('update', options, UPDATE);
        return untilDone('the update', tries, (tried) =>
          read(kv, key).pipe(
            switchMap((seen) => valueOf(change, seen.kv).pipe(switchMap((value) => write(kv, key, value, seen, lease)))),
            map((written) => written && { ...written, tries: tried }),
          ),
        );
      }),
  };
}

const read = (kv: Kv, key: BytesLike): Observable<Seen> => kv.range({ key }).pipe(map(({ header, kvs }) => ({ header, kv: kvs[0] })));

function valueOf(change: Updater, current: KeyValue | undefined): Observable<BytesLike | undefined> {
  return outcomeOf(() => change(current)).pipe(
    take(1),
    // Not a deletion: that has to be said.
    throwIfEmpty(() => new EtcdError('InvalidArgument', 'the update gave no value; undefined deletes the key')),
    map((value: unknown) => {
      if (value === undefined || isBytesLike(value)) return value;
      throw new EtcdError('InvalidArgument', `an update gives a string, a Uint8Array or undefined, not ${typeName(value)}`);
    }),
  );
}

/** Undefined where somebody was faster. */
type Written = Omit<UpdateResult, 'tries'> | undefined;

function write(
  kv: Kv,
  key: BytesLike,
  value: BytesLike | undefined,
  { header, kv: prevKv }: Seen,
  wanted: LeaseId | undefined,
): Observable<Written> {
  // There is nothing to delete, as of the read.
  if (value === undefined && prevKv === undefined) return of({ header, kv: undefined, prevKv });
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

/** What etcd has after the put, which the compare makes certain. */
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
