import { catchError, defer, EMPTY, filter, map, merge, type Observable, of, startWith, switchMap, tap, throwError } from 'rxjs';
import { takeUntilClosed } from '../../util/closedSignal.js';
import { EtcdError, hasReason, type Reason } from '../../errors/index.js';
import { idToHex, type LeaseId } from '../../model/ids.js';
import type { KeyValue } from '../../model/keyValue.js';
import { type Compare, del, get, key as on, put, txn } from '../../model/op.js';
import { prefixEnd } from '../../model/range.js';
import { checkName, invalidArgument } from '../../model/validate.js';
import type { KvService } from '../../services/kv.js';
import { retryAfter } from '../../util/time.js';
import { retryTransient, streamBackoff } from '../../watch/retryable.js';
import type { ConcurrencyContext, Identity } from '../context.js';
import { acquireWithCompensation } from '../lease/acquisition.js';
import { retryCleanup } from '../lease/cleanup.js';
import type { HeldLease } from '../lease/leaseKeeper.js';
import { adoptedLease, heldLease } from '../lease/lease.js';
import { checkUnderLease, DEFAULT_SESSION_TTL, endOf, errorAtEnd } from '../lease/session.js';
import { type HeldEntry, type SessionOptions, toLockLost } from './ownership.js';
import { errorWhenDeleted, ownershipGuard, readOwner, waiterKey, type WaiterEntry, waitForOwnership } from './waiterQueue.js';

/**
 * The callers that count as one owner of a lock, and may acquire it again without waiting. With `host`, `process` or
 * `thread`, all callers on the same host, in the same process or in the same thread count as one owner. A process
 * includes all its threads; a thread is the main thread or a worker. With `holder`, all callers that pass the same name
 * count as one owner.
 */
export type Reentrancy = 'host' | 'process' | 'thread' | { readonly holder: string };

/**
 * The maximum number of attempts to find out whether a share was created, after its subscription has ended. If all of
 * them fail, the share exists until its lease expires.
 */
const LATE_SHARE_ATTEMPTS = 3;

/**
 * The signal that the state of the lock has changed between two steps of an acquisition. The steps are then repeated.
 */
const STATE_CHANGED = new Error('the state of the lock has changed');

/**
 * Enters the queue of a lock as `enterQueue` does, for one of several callers that share an entry. Callers of the same
 * process or thread, or with the same `holder`, count as one owner. Together they are called the holder of the entry.
 * Each caller has a share of the entry, under a separate lease, and keeps the lease of the entry alive. A caller is an
 * owner if the entry owns the lock. The last caller that unsubscribes deletes the entry. If a caller crashes, its share
 * ends when its lease expires.
 */
export function enterSharedQueue(
  name: string,
  reentrant: Reentrancy,
  options: SessionOptions,
  context: ConcurrencyContext,
): Observable<HeldEntry> {
  const { ttl = DEFAULT_SESSION_TTL, lease, session } = options;
  // If the caller passed a lease that does not exist, the error `LeaseNotFound` is passed on unchanged.
  const losses: readonly Reason[] = lease === undefined ? ['LeaseLost', 'LeaseNotFound'] : ['LeaseLost'];
  return defer(() => {
    checkName('a lock', name);
    checkUnderLease('a lock', options);
    const holder = holderOf(reentrant, context.identity);
    const enter = (share: LeaseId, isShareAlive: () => boolean): Observable<HeldEntry> =>
      acquireShare({ name, holder, share }, ttl, context).pipe(
        map((entry) => ({ ...entry, alive: () => isShareAlive() && entry.alive() })),
      );
    let owned = false;
    if (session !== undefined && endOf(session) !== undefined) return throwError(() => endOf(session));
    const entries =
      session !== undefined
        ? merge(
            errorAtEnd(session, context.closed),
            enter(session.lease, () => session.alive),
          )
        : lease !== undefined
          ? enter(lease, () => true)
          : heldLease({ ttl }, context).pipe(
              filter(({ type }) => type === 'granted'),
              switchMap((granted) => enter(granted.id, () => granted.lease.alive)),
            );
    return entries.pipe(
      tap(({ isOwner }) => (owned ||= isOwner)),
      catchError((error: unknown) => throwError(() => toLockLost(name, owned, losses, error))),
    );
  }).pipe(takeUntilClosed(context.closed));
}

/** Joins the entry of the holder, or creates one. */
function acquireShare(keys: SharedKeys, ttl: number, context: ConcurrencyContext): Observable<HeldEntry> {
  return defer(() => {
    const { kv, cleanup, settings } = context;
    const backoff = streamBackoff(settings);
    const readPointer = defer(() => retryTransient(kv.get(pointerKey(keys)), settings));
    return cleanup.whenReleased(releaseName(keys)).pipe(
      switchMap(() => readPointer),
      switchMap((pointer) => (pointer === undefined ? createEntry(keys, ttl, context) : joinEntry(keys, pointer, context))),
      retryAfter((error) => (error === STATE_CHANGED ? backoff.next() : undefined)),
    );
  });
}

/**
 * Creates the queue entry for the first caller of a holder. The lease of the entry belongs to all callers of the
 * holder, and is not revoked when the first caller unsubscribes.
 */
function createEntry(keys: SharedKeys, ttl: number, context: ConcurrencyContext): Observable<HeldEntry> {
  const { kv, service } = context;
  return heldLease({ ttl, release: 'keep' }, context).pipe(
    filter(({ type }) => type === 'granted'),
    switchMap(({ id, lease }) =>
      holdShare({ keys, lease, take: createShared(kv, keys, id), cleanUp: () => retryCleanup(service.revoke(id)) }, context),
    ),
  );
}

/**
 * Keeps the lease of the queue entry alive, and then creates a share. In the opposite order, the entry could expire
 * between the two steps.
 */
function joinEntry(keys: SharedKeys, pointer: KeyValue, context: ConcurrencyContext): Observable<HeldEntry> {
  const { kv } = context;
  const { lease: id } = pointer;
  // A key with this name but without a lease was not created by rxetcd.
  if (id === undefined) return throwError(() => new EtcdError('LockLost', `the key ${JSON.stringify(pointer.key)} has no lease`));
  return adoptedLease(id, { release: 'keep' }, context).pipe(
    catchError((error: unknown) => throwError(() => (hasReason(error, 'LeaseNotFound') ? STATE_CHANGED : error))),
    filter(({ type }) => type === 'granted'),
    switchMap(({ lease }) =>
      holdShare({ keys, lease, take: joinShared(kv, keys, pointer, id), cleanUp: () => deletePointer(kv, keys, pointer, id) }, context),
    ),
  );
}

/** The steps for creating a share. */
interface ShareSteps {
  readonly keys: SharedKeys;
  /** The lease of the queue entry. */
  readonly lease: HeldLease;
  /** Emits the queue entry, or undefined if no share could be created. */
  readonly take: Observable<SharedEntry | undefined>;
  /** Cleans up if no share could be created. */
  readonly cleanUp: () => Observable<unknown>;
}

/** Creates a share, and releases it when the subscription ends. */
function holdShare({ keys, lease, take, cleanUp }: ShareSteps, context: ConcurrencyContext): Observable<HeldEntry> {
  return defer(() => {
    const { cleanup, settings } = context;
    let lateAttempts = LATE_SHARE_ATTEMPTS;
    return acquireWithCompensation<SharedEntry | undefined, HeldEntry>({
      acquire: (hasLeft) =>
        retryTransient(
          defer(() => (hasLeft() && lateAttempts-- <= 0 ? EMPTY : take)),
          settings,
        ),
      use: (entry, hasLeft) => {
        if (entry === undefined) return throwError(() => STATE_CHANGED);
        const turn = entry.isOwner ? of(entry) : waitForOwnership(context, entry).pipe(startWith(entry));
        // The share has a separate lease, so it may end while the queue entry still exists.
        const share = { ...entry, key: shareKey(keys, entry.lease), revision: entry.shareRevision };
        return merge(errorWhenDeleted(context, entry), errorWhenDeleted(context, share), turn).pipe(
          map((held) => ({ ...held, alive: () => !hasLeft() && lease.alive })),
        );
      },
      release: (taken) => {
        cleanup.run(
          taken.pipe(catchError(() => of(undefined))),
          (entry) => (entry === undefined ? cleanUp() : leaveShared(context, keys, entry)),
          { lease: lease.id, key: waiterKey(keys.name, lease.id) },
          releaseName(keys),
        );
      },
    });
  });
}

/**
 * Names the release of a share. A caller that acquires again with the same lease waits for this release. Without the
 * wait, the caller would find its old share, and lose it when the release is carried out.
 */
const releaseName = (keys: SharedKeys): string => `${pointerKey(keys)}/${keys.share}`;

function holderOf(reentrant: Reentrancy, identity: () => Identity): string {
  const given: unknown = reentrant;
  if (given === 'host' || given === 'process' || given === 'thread') return `${given}:${identity()[given]}`;
  if (typeof given === 'object' && given !== null && 'holder' in given && typeof given.holder === 'string' && given.holder !== '')
    return given.holder;
  throw invalidArgument(
    'reentrant of lock',
    "'host', 'process', 'thread' or { holder }, where holder is a string that is not empty",
    given,
  );
}

/**
 * A queue entry that several callers share. Like any other entry, it is a key `<name>/<lease in hex>`. So all clients
 * that use this layout exclude each other. Further keys are stored under `<name>.shares/`:
 * - `<holder>`: the pointer, created with the entry and under its lease, so that a holder has at most one entry
 * - `<holder>/<lease of the entry in hex>/<lease of the share in hex>`: a share, under a separate lease
 */

/** The lock, the holder and the lease that identify a share. */
interface SharedKeys {
  readonly name: string;
  readonly holder: string;
  /** The lease of the share. */
  readonly share: LeaseId;
}

/** A queue entry, with the share of one caller. */
interface SharedEntry extends WaiterEntry {
  /** The revision at which the key of the share was created. */
  readonly shareRevision: number;
}

const escaped = (holder: string): string => holder.replaceAll('%', '%25').replaceAll('/', '%2F');

const pointerKey = ({ name, holder }: SharedKeys): string => `${name}.shares/${escaped(holder)}`;

const entryKey = ({ name }: SharedKeys, lease: LeaseId): string => waiterKey(name, lease);

const sharesPrefix = (keys: SharedKeys, lease: LeaseId): string => `${pointerKey(keys)}/${idToHex(lease)}/`;

const shareKey = (keys: SharedKeys, lease: LeaseId): string => sharesPrefix(keys, lease) + idToHex(keys.share);

/** Counts the shares of each entry of a lock. Returns a map whose keys are the leases of the entries in hex. */
export function countShares(kv: KvService, name: string, revision: number): Observable<ReadonlyMap<string, number>> {
  return kv.range({ prefix: `${name}.shares/` }, { keysOnly: true, revision }).pipe(
    map(({ kvs }) => {
      const counts = new Map<string, number>();
      for (const { key } of kvs) {
        const [, entry, share] = key.slice(`${name}.shares/`.length).split('/');
        if (entry !== undefined && share !== undefined) counts.set(entry, (counts.get(entry) ?? 0) + 1);
      }
      return counts;
    }),
  );
}

/**
 * Creates the queue entry with a first share. Emits undefined if the holder has another entry already. The attempt may
 * be repeated, as it then finds the entry that an earlier attempt has created.
 */
function createShared(kv: KvService, keys: SharedKeys, lease: LeaseId): Observable<SharedEntry | undefined> {
  const pointer = pointerKey(keys);
  const key = entryKey(keys, lease);
  const make = [
    put(key, keys.holder, { lease }),
    put(pointer, idToHex(lease), { lease }),
    put(shareKey(keys, lease), '', { lease: keys.share }),
    readOwner(keys.name),
  ] as const;
  return kv.txn({ compare: [on(pointer).missing()], success: make, failure: [get(key), readOwner(keys.name)] }).pipe(
    map((result) => {
      const { revision: observedRevision } = result.header;
      if (result.succeeded)
        return toSharedEntry(
          keys,
          lease,
          { revision: observedRevision, shareRevision: observedRevision, observedRevision },
          result.responses[3].kvs[0],
        );
      const [made, { kvs }] = result.responses;
      if (made === undefined) return undefined;
      return toSharedEntry(keys, lease, { revision: made.createRevision, shareRevision: made.createRevision, observedRevision }, kvs[0]);
    }),
  );
}

/** Creates a share of the queue entry to which a pointer refers. Emits undefined if the entry was deleted. */
function joinShared(kv: KvService, keys: SharedKeys, { createRevision }: KeyValue, lease: LeaseId): Observable<SharedEntry | undefined> {
  const compare = [pointerKey(keys), entryKey(keys, lease)].map((key) => on(key).createRevision.equals(createRevision));
  const share = shareKey(keys, lease);
  return kv.txn({ compare, success: [put(share, '', { lease: keys.share }), get(share), readOwner(keys.name)] }).pipe(
    map((result) => {
      if (!result.succeeded) return undefined;
      const [, mine, { kvs }] = result.responses;
      const { revision: observedRevision } = result.header;
      return toSharedEntry(
        keys,
        lease,
        { revision: createRevision, shareRevision: mine?.createRevision ?? observedRevision, observedRevision },
        kvs[0],
      );
    }),
  );
}

/** Deletes a pointer whose queue entry was deleted by another client. */
function deletePointer(kv: KvService, keys: SharedKeys, { createRevision }: KeyValue, lease: LeaseId): Observable<unknown> {
  const pointer = pointerKey(keys);
  return kv.txn({
    compare: [on(pointer).createRevision.equals(createRevision), on(entryKey(keys, lease)).missing()],
    success: [del(pointer)],
  });
}

/**
 * Deletes a share, and also the queue entry if this was the last share. The attempt may be repeated, as it deletes only
 * keys that this holder has created. If the entry is gone, its lease is revoked, as an earlier attempt may have deleted
 * the entry.
 */
function leaveShared({ kv, service }: ConcurrencyContext, keys: SharedKeys, entry: SharedEntry): Observable<unknown> {
  const { lease } = entry;
  const mine = shareKey(keys, lease);
  const all = sharesPrefix(keys, lease);
  const alone: readonly Compare[] = [on({ from: all, to: mine }).missing(), on({ from: `${mine}\0`, to: prefixEnd(all) }).missing()];
  const last = [del(mine), del(entry.key), del(pointerKey(keys))] as const;
  const share = txn({ compare: [on(mine).createRevision.equals(entry.shareRevision)], success: [del(mine)] });
  return retryCleanup(kv.txn({ compare: [ownershipGuard(entry), ...alone], success: last, failure: [share, get(entry.key)] })).pipe(
    switchMap((result) => {
      const over = result.succeeded || result.responses[1]?.createRevision !== entry.revision;
      // The lease of the entry has no keys any more, so it is revoked.
      return over ? retryCleanup(service.revoke(lease)) : of(undefined);
    }),
  );
}

function toSharedEntry(
  keys: SharedKeys,
  lease: LeaseId,
  known: Pick<SharedEntry, 'revision' | 'shareRevision' | 'observedRevision'>,
  owner: KeyValue | undefined,
): SharedEntry {
  const isOwner = owner === undefined || owner.createRevision === known.revision;
  return { name: keys.name, key: entryKey(keys, lease), lease, ...known, isOwner };
}
