import { defer, identity, map, skipWhile, tap, type Observable } from 'rxjs';
import type { KeyValue } from '../../model/keyValue.js';
import type { WatchTarget } from '../messages.js';
import type { FollowedRange } from '../ownWrites/followedRanges.js';
import { RefCountedMap } from '../refCounted.js';
import type { ConnectionState } from '../streams/streamManager.js';
import type { WatchesDeps } from '../watcher.js';

/** An update of followed keys. */
interface Update {
  readonly type: 'snapshot' | 'change' | 'resync';
  readonly revision: number;
}

/** The state of one of the ranges that an update shows. */
interface RangeState {
  readonly revision: number;
  readonly state: ReadonlyMap<string, KeyValue>;
}

/** An update, with what a view has to know of its age. */
export interface ViewedUpdate<U> {
  readonly update: U;
  /** The update is older than what the client knows of its writes. */
  readonly old: boolean;
  /** The state of the connection when the update came. */
  readonly cameWith: ConnectionState | undefined;
}

/** How updates are made, and what they show. */
export interface StateKind<U> {
  /** Returns the update with which a late subscriber begins. */
  readonly snapshot: (update: U) => U;
  /** Returns the state of the range at an index. */
  readonly stateOf: (update: U, index: number) => RangeState;
}

/**
 * Shares the updates of followed ranges among their subscribers. No subscriber may begin with a state that is older
 * than what the client knows of its writes.
 */
export class SharedStates<U extends Update> {
  private readonly shared: RefCountedMap<U>;
  /** The ranges that are followed now, by their identity. */
  private readonly running = new Map<string, readonly FollowedRange[]>();

  constructor(
    private readonly deps: WatchesDeps,
    closed: Observable<void>,
    lingerMs: number,
    private readonly kind: StateKind<U>,
  ) {
    this.shared = new RefCountedMap<U>(closed, { lingerMs, replay: { keep: kind.snapshot, toFirst: identity } });
  }

  /**
   * Joins the updates of the ranges with an identity.
   *
   * @param run starts them; it calls `listing` before each list is requested
   */
  of(key: string, targets: readonly WatchTarget[], run: (listing: () => void) => Observable<U>): Observable<U> {
    return defer(() => {
      const [updates, isOld] = this.join(key, targets, run);
      if (isOld === undefined) return updates;
      return updates.pipe(
        skipWhile(isOld),
        map((update, index) => (index === 0 ? this.kind.snapshot(update) : update)),
      );
    });
  }

  /** Joins the updates for a view, which itself shows whether a state is old. */
  viewed(key: string, targets: readonly WatchTarget[], run: (listing: () => void) => Observable<U>): Observable<ViewedUpdate<U>> {
    return defer(() => {
      const [updates, isOld] = this.join(key, targets, run);
      let old = isOld !== undefined;
      return updates.pipe(
        map((update) => {
          old = old && isOld?.(update) === true;
          return { update, old, cameWith: this.running.get(key)?.[0]?.connection };
        }),
      );
    });
  }

  private join(
    key: string,
    targets: readonly WatchTarget[],
    run: (listing: () => void) => Observable<U>,
  ): [Observable<U>, ((update: U) => boolean) | undefined] {
    const updates = this.shared.of(key, () => this.begin(key, targets, run));
    return [updates, this.whetherOld(this.running.get(key) ?? [])];
  }

  private begin(key: string, targets: readonly WatchTarget[], run: (listing: () => void) => Observable<U>): Observable<U> {
    return defer(() => {
      const followed = targets.map((target) => this.deps.writes.follow(target));
      this.running.set(key, followed);
      const show = (update: U): void =>
        followed.forEach((range, index) =>
          range.show(this.kind.stateOf(update, index), update.type !== 'change', this.deps.streams.stateNow),
        );
      const end = (): void => {
        for (const range of followed) range.end();
        // A subscriber that came back at once may have started it again.
        if (this.running.get(key) === followed) this.running.delete(key);
      };
      return run(() => followed.forEach((range) => range.listing())).pipe(tap({ next: show, finalize: end }));
    });
  }

  /** Returns a function that decides whether an update is old; undefined if none from now on can be. */
  private whetherOld(followed: readonly FollowedRange[]): ((update: U) => boolean) | undefined {
    const checks = followed.flatMap((range, index) => {
      const isOld = range.whetherOld();
      return isOld === undefined ? [] : [(update: U) => isOld(this.kind.stateOf(update, index))];
    });
    return checks.length === 0 ? undefined : (update) => checks.some((isOld) => isOld(update));
  }
}
