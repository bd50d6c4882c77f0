import { catchError, map, Observable, type Observer, of, throwError, type Unsubscribable, defer, switchMap, tap } from 'rxjs';
import { EtcdError, hasReason } from '../../errors/index.js';
import { type BytesLike, toBase64 } from '../../model/bytes.js';
import { idToHex, type LeaseId } from '../../model/ids.js';
import { keyId, type KeyValue } from '../../model/keyValue.js';
import { type Compare, del, get, key as on, type Op, put, range } from '../../model/op.js';
import type { KvService } from '../../services/kv.js';
import { type Detachable, LightObservable } from '../../util/lightObservable.js';
import { retryTransient } from '../../watch/retryable.js';
import type { ConcurrencyContext } from '../context.js';
import { retryCleanup } from '../lease/cleanup.js';
import type { ResponseHeader } from '../../model/responses.js';

/**
 * The queue behind locks and elections, in the layout of etcd's Go client and `etcdctl`. Each waiter has a key
 * `<name>/<lease in hex>`; the waiter with the lowest create revision owns the lock. A waiter waits for the deletion of
 * the key before its own, so that a release wakes only one waiter.
 */

/** The key of an owner or a waiter in a queue. It is deleted on release, and at the latest when its lease ends. */
export interface WaiterEntry {
  readonly name: string;
  readonly key: string;
  readonly lease: LeaseId;
  /** The create revision of the key. It is the fencing token, as it grows with each owner. */
  readonly revision: number;
  /** The revision of the store at which this state was read. */
  readonly observedRevision: number;
  /** Whether this entry owns the lock, as the queue had no earlier entry. */
  readonly isOwner: boolean;
}

/** Creates a compare that is true as long as the entry exists. */
export const ownershipGuard = ({ key, revision }: Pick<WaiterEntry, 'key' | 'revision'>): Compare =>
  on(key).createRevision.equals(revision);

export const waiterKey = (name: string, lease: LeaseId): string => `${name}/${idToHex(lease)}`;

/** Creates the operation that reads the key with the lowest create revision of a queue. */
export const readOwner = (name: string) => range({ prefix: `${name}/` }, { limit: 1, sortTarget: 'CREATE', sortOrder: 'ASCEND' });

/** Adds an entry to a queue, or finds the entry of the same lease. Makes one attempt, which may be repeated. */
export function enqueue(kv: KvService, name: string, lease: LeaseId, value: BytesLike): Observable<WaiterEntry> {
  const key = waiterKey(name, lease);
  const owner = readOwner(name);
  const txn = {
    compare: [on(key).createRevision.equals(0)],
    success: [put(key, value, { lease }), owner],
    failure: [get(key), owner],
  } as const;
  return kv.txn(txn).pipe(
    map((result) => {
      const observedRevision = result.header.revision;
      const revision = result.succeeded ? observedRevision : (result.responses[0]?.createRevision ?? observedRevision);
      const first = result.responses[1].kvs[0];
      return { name, key, lease, revision, observedRevision, isOwner: first === undefined || first.createRevision === revision };
    }),
  );
}

/**
 * Adds an entry as {@link enqueue} does. If the lease already has an entry, its value is replaced, as by etcd's Go
 * client. Errors with `LockLost` if the key was deleted meanwhile.
 */
export function enqueueOrReplace(kv: KvService, name: string, lease: LeaseId, value: BytesLike): Observable<WaiterEntry> {
  const key = waiterKey(name, lease);
  return overwrite(kv, key, value, lease).pipe(
    map(({ kv: stored, header }) => {
      if (stored === undefined) throw keyDeleted({ key });
      return { name, key, lease, revision: stored.createRevision, observedRevision: header.revision, isOwner: false };
    }),
  );
}

/** Deletes the key of an entry, unless the key was created again. */
export function dequeue(kv: KvService, entry: WaiterEntry): Observable<unknown> {
  return retryCleanup(kv.txn({ compare: [ownershipGuard(entry)], success: [del(entry.key)] as readonly Op[] }));
}

/** Emits the entry when it owns the lock. Errors with `LockLost` if its key was deleted meanwhile. */
export function waitForOwnership(context: ConcurrencyContext, entry: WaiterEntry): Observable<WaiterEntry> {
  return entry.isOwner ? of(entry) : waitForPredecessors(context, entry, entry.name);
}

/**
 * Emits the entry when a folder has no earlier keys. While there are earlier keys, it waits for the deletion of the
 * last one, and then reads the folder again. Errors with `LockLost` if the key of the entry was deleted meanwhile.
 */
export const waitForPredecessors = (context: ConcurrencyContext, entry: WaiterEntry, folder: string): Observable<WaiterEntry> =>
  new LightObservable((observer) => {
    const wait = new PredecessorWait(context, entry, folder, observer);
    wait.next();
    return wait;
  });

/**
 * A wait that consists of steps, one after the other. It is one object instead of a pipeline of operators to save
 * memory, as a program may have many waiters.
 */
abstract class SteppedWait<T> implements Detachable<T> {
  private step: Unsubscribable | undefined;
  private count = 0;
  private left = false;

  constructor(
    protected readonly context: ConcurrencyContext,
    protected readonly observer: Observer<T>,
  ) {}

  detach(): void {
    this.left = true;
    this.step?.unsubscribe();
  }

  error(error: unknown): void {
    this.observer.error(error);
  }

  /**
   * Begins a step after the current one has ended. A step may end during its subscription, and may then begin the next
   * step.
   */
  protected run(begin: () => Unsubscribable): void {
    const count = ++this.count;
    const step = begin();
    if (this.left) step.unsubscribe();
    else if (count === this.count) this.step = step;
  }
}

class PredecessorWait extends SteppedWait<WaiterEntry> implements Observer<void> {
  constructor(
    context: ConcurrencyContext,
    private readonly entry: WaiterEntry,
    private readonly folder: string,
    observer: Observer<WaiterEntry>,
  ) {
    super(context, observer);
  }

  /** Reads the predecessor. Called at first, and after the predecessor was deleted. */
  next(): void {
    const { context, entry, folder } = this;
    const before = {
      limit: 1,
      sortTarget: 'CREATE',
      sortOrder: 'DESCEND',
      maxCreateRevision: entry.revision - 1,
      keysOnly: true,
    } as const;
    // One txn reads the predecessor and the entry's own key at the same revision.
    const read = context.kv.txn({ success: [get(entry.key), range({ prefix: `${folder}/` }, before)] });
    this.run(() =>
      retryTransient(read, context.settings).subscribe({
        next: ({ header: { revision }, responses: [own, earlier] }) => this.onRead(revision, own, earlier?.kvs[0]),
        error: (error: unknown) => this.error(error),
      }),
    );
  }

  /** Does nothing. The watch completes only when the client is closed. */
  complete(): void {}

  private onRead(observedRevision: number, own: KeyValue | undefined, predecessor: KeyValue | undefined): void {
    const { context, entry, observer } = this;
    if (own?.createRevision !== entry.revision) return observer.error(keyDeleted(entry));
    if (predecessor === undefined) {
      observer.next({ ...entry, observedRevision, isOwner: true });
      return observer.complete();
    }
    const { createRevision } = predecessor;
    // If the text identifies the key, it is used instead of the bytes, as it takes a quarter of the memory.
    const key = keyId(predecessor) === predecessor.key ? predecessor.key : predecessor.keyBytes;
    this.run(() => whenDeleted(context, key, { createRevision, observedRevision }).subscribe(this));
  }
}

/** A key as it was read at a revision. */
interface ReadKey {
  readonly createRevision: number;
  /** The revision of the store at which the key was read. */
  readonly observedRevision: number;
}

/**
 * Emits once, and completes, when a key does not exist any more. A key that was created again counts as deleted.
 * Completes without a value when the client is closed.
 *
 * @param known the key as it was read before. If it is omitted, the key is read first, and need not exist
 */
export const whenDeleted = (context: ConcurrencyContext, key: BytesLike, known: Partial<ReadKey> = {}): Observable<void> =>
  new LightObservable((observer) => {
    const wait = new DeletionWait(context, key, known.createRevision, observer);
    if (known.createRevision === undefined || known.observedRevision === undefined) wait.read();
    else wait.watchAfter(known.observedRevision);
    return wait;
  });

class DeletionWait extends SteppedWait<void> implements Observer<unknown> {
  constructor(
    context: ConcurrencyContext,
    private readonly key: BytesLike,
    /** The create revision of the key; undefined until it is read. */
    private createRevision: number | undefined,
    observer: Observer<void>,
  ) {
    super(context, observer);
  }

  read(): void {
    const { context, key } = this;
    this.run(() =>
      retryTransient(context.kv.range({ key }, { keysOnly: true }), context.settings).subscribe({
        next: ({ kvs: [kv], header }) => {
          this.createRevision ??= kv?.createRevision;
          if (kv === undefined || kv.createRevision !== this.createRevision) this.next();
          else this.watchAfter(header.revision);
        },
        error: (error: unknown) => super.error(error),
      }),
    );
  }

  watchAfter(revision: number): void {
    this.run(() => this.context.watchAfter({ key: this.key }, revision, { noPut: true }).subscribe(this));
  }

  next(): void {
    this.observer.next();
    this.observer.complete();
  }

  override error(error: unknown): void {
    // The history that the watch needs is lost, so the key is read instead.
    if (isHistoryLost(error)) this.read();
    else super.error(error);
  }

  complete(): void {
    this.observer.complete();
  }
}

/** Emits nothing, and errors with `LockLost` when the key of an entry is deleted. */
export function errorWhenDeleted(context: ConcurrencyContext, entry: WaiterEntry): Observable<never> {
  const { key, revision: createRevision, observedRevision } = entry;
  return new Observable((subscriber) =>
    whenDeleted(context, key, { createRevision, observedRevision }).subscribe({
      next: () => subscriber.error(keyDeleted(entry)),
      error: (error: unknown) => subscriber.error(error),
    }),
  );
}

/** Creates the error of an entry whose key was deleted. */
export const keyDeleted = ({ key }: Pick<WaiterEntry, 'key'>): EtcdError =>
  new EtcdError('LockLost', `the key ${JSON.stringify(key)} was deleted`);

/** Reads again if the history that a watch needs was compacted, or the store was wiped or restored. */
export function rereadIfCompacted<T>(source: Observable<T>, reread: () => Observable<T>): Observable<T> {
  return source.pipe(catchError((error: unknown) => (isHistoryLost(error) ? reread() : throwError(() => error))));
}

const isHistoryLost = (error: unknown): boolean => hasReason(error, 'Compacted', 'FutureRev');

/** A key as it was at a revision of the store; `kv` is undefined if the key did not exist. */
export interface Seen {
  readonly header: ResponseHeader;
  readonly kv: KeyValue | undefined;
}

/**
 * Replaces the value of a key, at most once. Emits the key as it is afterwards. The put is a txn that compares the
 * key's mod revision with the one that was read before. So a repeated put does nothing if the first attempt was carried
 * out, or if another client has written to the key since.
 *
 * @returns an Observable that makes one attempt. It may be subscribed to again, as it stores the results of earlier
 * attempts. Call this function once for each write.
 */
export function overwrite(kv: KvService, key: BytesLike, value: BytesLike, lease: LeaseId): Observable<Seen> {
  let seen: Seen | undefined;
  let inDoubt = false;
  const once: Observable<Seen> = defer(() =>
    (seen === undefined ? read(kv, key) : of(seen)).pipe(
      switchMap((before) => {
        seen = before;
        const { kv: standing } = before;
        if (standing !== undefined && holds(standing, value, lease)) return of(before);
        return kv
          .txn({
            compare: [on(key).modRevision.equals(standing?.modRevision ?? 0)],
            success: [put(key, value, { lease }), get(key)],
            failure: [get(key)],
          })
          .pipe(
            tap({ error: (error: unknown) => (inDoubt ||= hasReason(error, 'AmbiguousWrite')) }),
            switchMap(({ header, ...result }): Observable<Seen> => {
              if (result.succeeded) return of({ header, kv: result.responses[1] });
              // Either this write was carried out, or another client has written. In both cases the write is not sent
              // again.
              if (inDoubt) return of({ header, kv: result.responses[0] });
              // Another client has written after the read. All earlier attempts certainly failed, so the write is sent
              // again, and replaces the other client's value.
              seen = undefined;
              return once;
            }),
          );
      }),
    ),
  );
  return once;
}

const read = (kv: KvService, key: BytesLike): Observable<Seen> =>
  kv.range({ key }).pipe(map(({ header, kvs }) => ({ header, kv: kvs[0] })));

const holds = (kv: KeyValue, value: BytesLike, lease: LeaseId): boolean =>
  kv.lease === lease && toBase64(kv.valueBytes) === toBase64(value);
