import { catchError, defer, distinctUntilChanged, EMPTY, map, Subject, takeUntil, tap, throwError, type Observable } from 'rxjs';
import { EtcdError, hasReason } from '../../errors/index.js';
import type { BytesLike } from '../../model/bytes.js';
import { BYTES, checkArgument, checkOptions } from '../../model/validate.js';
import type { KeyValue } from '../../model/keyValue.js';
import { put } from '../../model/op.js';
import { isUnchanged } from '../../model/unchanged.js';
import type { Lives } from '../../watch/live/live.js';
import type { Ownership } from './lock.js';
import { checkName } from '../names.js';
import { guardOf, leavePlace } from './waiterQueue.js';
import { ownership, TENURE, type HeldPlace, type TenureMeans, type TenureOptions } from './ownership.js';

/** A leadership that was won. */
export interface Leadership extends Ownership {
  /** Says something else as the leader. `LockLost` for one who no longer is. */
  proclaim(value: BytesLike): Observable<void>;
  /** Gives the leadership up: when that is done the campaign completes. Unsubscribing from the campaign does as much. */
  resign(): Observable<void>;
}

/** An election: of all who stand one leads at a time. */
export interface Election {
  readonly name: string;
  /**
   * Stands for election, and leads when it is won, as long as it is subscribed to: emits the leadership, and errors with `LockLost` the moment that it can no longer be
   * sure of it. `switchMap` on it starts the leader's work and stops it. Compatible with `etcdctl elect` and etcd's Go client.
   *
   * ```ts
   * etcd.election('scheduler').campaign('node-1').pipe(switchMap(() => schedule())).subscribe();
   * ```
   */
  campaign(value: BytesLike, options?: TenureOptions): Observable<Leadership>;
  /**
   * Who leads, with what it proclaims, and each that follows; undefined while nobody does. Hot, goes on through cuts and compaction, and never shows an
   * old leader after a new one.
   */
  readonly leader$: Observable<KeyValue | undefined>;
}

/** The elections of a client. */
export interface Elections {
  election(name: string): Election;
}

/** The elections of a client. */
export function elections(means: TenureMeans, { live }: Pick<Lives, 'live'>): Elections {
  return {
    election: (name) => {
      checkName('an election', name);
      return {
        name,
        campaign: (value, options = {}) =>
          defer(() => {
            checkArgument('campaign', 'value', value, BYTES);
            const resignation = new Resignation();
            return ownership({ name, value }, checkOptions('campaign', options, TENURE), means).pipe(
              map((place) => toLeadership(place, means, resignation)),
              // The watch may tell of the key's end before the call that deletes it is answered.
              catchError((error: unknown) => (resignation.begun && hasReason(error, 'LockLost') ? EMPTY : throwError(() => error))),
              takeUntil(resignation.done),
            );
          }),
        leader$: live({ prefix: `${name}/` }).pipe(
          map(({ state }) => leaderIn(state.values())),
          distinctUntilChanged(isUnchanged),
        ),
      };
    },
  };
}

/** The one who stands for the longest. */
function leaderIn(candidates: Iterable<KeyValue>): KeyValue | undefined {
  let leader: KeyValue | undefined;
  for (const candidate of candidates) if (leader === undefined || candidate.createRevision < leader.createRevision) leader = candidate;
  return leader;
}

/** That a leader steps down of its own will. */
class Resignation {
  begun = false;
  private readonly finished = new Subject<void>();
  readonly done = this.finished.asObservable();

  finish(): void {
    this.finished.next();
  }
}

function toLeadership(place: HeldPlace, means: TenureMeans, resignation: Resignation): Leadership {
  const { name, key, lease, revision } = place;
  const guard = guardOf(place);
  return {
    name,
    key,
    lease,
    revision,
    guard,
    get alive() {
      return place.alive();
    },
    proclaim: (value) =>
      means.kv.txn({ compare: [guard], success: [put(key, value, { lease })] }).pipe(
        map(({ succeeded }) => {
          if (!succeeded) throw new EtcdError('LockLost', `the leadership of ${JSON.stringify(name)} is over`);
        }),
      ),
    resign: () =>
      defer(() => {
        resignation.begun = true;
        return leavePlace(means, place);
      }).pipe(
        tap(() => resignation.finish()),
        map(() => undefined),
      ),
  };
}
