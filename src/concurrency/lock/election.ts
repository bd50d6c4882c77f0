import { catchError, defer, distinctUntilChanged, EMPTY, map, Subject, takeUntil, tap, throwError, type Observable } from 'rxjs';
import { takeUntilClosed } from '../../util/closedSignal.js';
import { EtcdError, hasReason } from '../../errors/index.js';
import type { BytesLike } from '../../model/bytes.js';
import { BYTES, checkArgument, checkOptions, type OptionKinds } from '../../model/validate.js';
import { isUnchanged, type KeyValue } from '../../model/keyValue.js';
import { put } from '../../model/op.js';
import type { OwnershipEvent } from '../../model/events.js';
import type { Range } from '../../model/range.js';
import type { LiveUpdate } from '../../watch/live/liveRange.js';
import { checkedArguments } from '../arguments.js';
import type { ConcurrencyContext } from '../context.js';
import type { LockHandle } from './lock.js';
import { acquire, enterQueue, type HeldEntry, SESSION_OPTIONS, type SessionOptions } from './ownership.js';
import { acquireOnceOrAgain, type AnyOnLost, ON_LOST, type Reacquire } from './reacquire.js';
import { dequeue, ownershipGuard } from './waiterQueue.js';

/** The options of a campaign. */
export interface CampaignOptions extends SessionOptions {
  /**
   * The behavior after the loss of the leadership. With `error`, the default, the campaign errors with `LockLost`. For
   * `reacquire` see {@link Reacquire}.
   */
  readonly onLost?: 'error';
}

const CAMPAIGN_OPTIONS: OptionKinds<AnyOnLost<CampaignOptions>> = { ...SESSION_OPTIONS, onLost: ON_LOST };

/** A leadership that was won in an election. */
export interface Leadership extends LockHandle {
  /** Replaces the value that the leader proclaims. Errors with `LockLost` if the leadership has ended. */
  proclaim(value: BytesLike): Observable<void>;
  /** Resigns the leadership. The campaign then completes. Unsubscribing from the campaign also resigns. */
  resign(): Observable<void>;
}

/** An election. At most one of its candidates is the leader at a time. */
export interface Election {
  readonly name: string;
  /**
   * Campaigns for the leadership, and holds it as long as the Observable is subscribed to. The Observable emits the
   * leadership when the election is won, and errors with `LockLost` as soon as the leadership is no longer certain. If
   * it is combined with `switchMap`, the work of the leader starts with the leadership, and stops when the Observable
   * errors. Campaigns are compatible with `etcdctl elect` and etcd's Go client. If the lease of the option `lease` or
   * `session` already has a key in the election, the value of this key is replaced. The key keeps its position in the
   * queue.
   *
   * With `onLost: 'reacquire'` the Observable campaigns again after each loss, with the same value, and emits each
   * {@link OwnershipEvent}. `whileLeader` then stops the work at a loss.
   *
   * If etcd cannot be reached at the start, the campaign waits. A candidate that loses its lease or key while it waits
   * in the queue also errors with `LockLost`. The Observable completes when the leader resigns. It also completes when
   * the client is closed, even while the campaign waits.
   *
   * ```ts
   * etcd.election('scheduler')
   *   .campaign('node-1', { onLost: 'reacquire' })
   *   .pipe(whileLeader(() => schedule()))
   *   .subscribe();
   * ```
   */
  campaign(value: BytesLike, options: Omit<CampaignOptions, 'onLost'> & Reacquire): Observable<OwnershipEvent<Leadership>>;
  campaign(value: BytesLike, options?: CampaignOptions): Observable<Leadership>;
  /**
   * Emits the key and value of the current leader, and then of each later leader; undefined while there is no leader.
   * They are also emitted again for each value that the leader proclaims. The Observable is hot, continues after lost
   * connections and compactions, and never emits an old leader after a newer one.
   */
  readonly leader$: Observable<KeyValue | undefined>;
}

/** Creates the method `election`. */
export function elections(context: ConcurrencyContext, live: (range: Range) => Observable<LiveUpdate>): (name: string) => Election {
  return (name) => {
    checkedArguments.election(name);
    return {
      name,
      campaign: campaignOf(name, context),
      leader$: live({ prefix: `${name}/` }).pipe(
        map(({ state }) => oldestCandidate(state.values())),
        distinctUntilChanged(isUnchanged),
      ),
    };
  };
}

function campaignOf(name: string, context: ConcurrencyContext): Election['campaign'] {
  function campaign(value: BytesLike, options: Omit<CampaignOptions, 'onLost'> & Reacquire): Observable<OwnershipEvent<Leadership>>;
  function campaign(value: BytesLike, options?: CampaignOptions): Observable<Leadership>;
  function campaign(value: BytesLike, options: AnyOnLost<CampaignOptions> = {}): Observable<Leadership | OwnershipEvent<Leadership>> {
    return defer(() => {
      checkArgument('campaign', 'value', value, BYTES);
      const { onLost, ...rest } = checkOptions('campaign', options, CAMPAIGN_OPTIONS);
      const once = defer(() => {
        // Each leadership has a separate state, so that resigning a leadership that has ended does not end the next
        // one.
        const resignation = new Resignation();
        const toOwner = (entry: HeldEntry): Leadership => toLeadership(entry, context, resignation);
        return acquire(enterQueue({ name, value }, rest, context), context, toOwner).pipe(
          // The watch may report that the key was deleted before the response to the delete arrives.
          catchError((error: unknown) => (resignation.begun && hasReason(error, 'LockLost') ? EMPTY : throwError(() => error))),
          takeUntil(resignation.done),
        );
      });
      // When an app stops, most of its replicas are still waiting for the leadership. Closing their clients is not an
      // error, so the campaign completes.
      return acquireOnceOrAgain(once, onLost, context).pipe(takeUntilClosed(context.closed));
    });
  }
  return campaign;
}

/** Returns the candidate with the lowest create revision. */
function oldestCandidate(candidates: Iterable<KeyValue>): KeyValue | undefined {
  let leader: KeyValue | undefined;
  for (const candidate of candidates) if (leader === undefined || candidate.createRevision < leader.createRevision) leader = candidate;
  return leader;
}

/** The state of a leader's resignation. */
class Resignation {
  begun = false;
  private readonly finished = new Subject<void>();
  readonly done = this.finished.asObservable();

  finish(): void {
    this.finished.next();
  }
}

function toLeadership(entry: HeldEntry, { kv }: ConcurrencyContext, resignation: Resignation): Leadership {
  const { name, key, lease, revision } = entry;
  const guard = ownershipGuard(entry);
  return {
    name,
    key,
    lease,
    revision,
    guard,
    get alive() {
      return entry.alive();
    },
    proclaim: (value) =>
      kv.txn({ compare: [guard], success: [put(key, value, { lease })] }).pipe(
        map(({ succeeded }) => {
          if (!succeeded) throw new EtcdError('LockLost', `the leadership of ${JSON.stringify(name)} is over`);
        }),
      ),
    resign: () =>
      defer(() => {
        resignation.begun = true;
        return dequeue(kv, entry);
      }).pipe(
        tap(() => resignation.finish()),
        map(() => undefined),
      ),
  };
}
