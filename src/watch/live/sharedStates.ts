import { identity, map, Observable, type Observer, skipWhile, type Unsubscribable } from 'rxjs';
import type { EtcdError } from '../../errors/index.js';
import type { KeyValue } from '../../model/keyValue.js';
import { attachTo, deferLight } from '../../util/lightObservable.js';
import type { WatchTarget } from '../messages.js';
import { type FollowedRange, FollowedRanges } from '../ownWrites/followedRanges.js';
import type { Follower } from './listAndWatch.js';
import { RefCountedMap } from '../refCounted.js';
import type { ConnectionState } from '../streams/connectionState.js';
import type { WatchesDeps } from '../watcher.js';

/** An update of the keys that are followed. */
interface Update {
  readonly type: 'snapshot' | 'change' | 'resync';
  readonly revision: number;
}

/** The state of one of the ranges in an update. */
interface RangeState {
  readonly revision: number;
  readonly state: ReadonlyMap<string, KeyValue>;
}

/** An update, with the facts from which a view decides whether the update is old. */
export interface ViewedUpdate<U> {
  readonly update: U;
  /** Whether the update lacks a write of this client that the server has confirmed. */
  readonly old: boolean;
  /** The state of the connection when the update arrived. */
  readonly cameWith: ConnectionState | undefined;
  /** The error if the history was lost after the update had arrived; undefined once the next list has arrived. */
  readonly lost: EtcdError | undefined;
}

/** The run that follows some ranges. */
interface Running<U> extends Follower<U> {
  readonly ranges: readonly FollowedRange[];
  /** The error if the history is lost; undefined once the next list has arrived. */
  lost: EtcdError | undefined;
  /** The functions that are called when the history is lost. */
  viewers: Set<() => void> | undefined;
}

/** The functions for one type of updates. */
export interface StateKind<U> {
  /** Converts an update to the first update of a late subscriber. */
  readonly snapshot: (update: U) => U;
  /** Returns the state of the range with this index. */
  readonly stateOf: (update: U, index: number) => RangeState;
}

/**
 * Shares the updates of followed ranges among their subscribers. The first state of each subscriber includes all writes
 * of this client that the server has confirmed.
 */
export class SharedStates<U extends Update> {
  private readonly shared: RefCountedMap<U>;
  /** The ranges that are followed now, by their identity. */
  private readonly running = new Map<string, Running<U>>();

  constructor(
    private readonly deps: WatchesDeps,
    closed: Observable<void>,
    lingerMs: number,
    private readonly kind: StateKind<U>,
  ) {
    this.shared = new RefCountedMap<U>(closed, { lingerMs, replay: { keep: kind.snapshot, toFirst: identity } });
  }

  /**
   * Subscribes to the shared updates of some ranges.
   *
   * @param key identifies the ranges
   * @param run starts to follow the ranges
   */
  of(key: string, targets: readonly WatchTarget[], run: (follower: Follower<U>) => Observable<U>): Observable<U> {
    return deferLight(() => {
      const [updates, isOld] = this.join(key, targets, run);
      if (isOld === undefined) return updates;
      return updates.pipe(
        skipWhile(isOld),
        map((update, index) => (index === 0 ? this.kind.snapshot(update) : update)),
      );
    });
  }

  /**
   * Subscribes to the shared updates of some ranges for a view. Old states are not skipped, as the view itself handles
   * them.
   */
  viewed(key: string, targets: readonly WatchTarget[], run: (follower: Follower<U>) => Observable<U>): Observable<ViewedUpdate<U>> {
    return new Observable((subscriber) => {
      const [updates, isOld] = this.join(key, targets, run);
      let old = isOld !== undefined;
      let last: ViewedUpdate<U> | undefined;
      const viewed = updates.pipe(
        map((update) => {
          old = old && isOld?.(update) === true;
          const { ranges, lost } = this.running.get(key) ?? {};
          return (last = { update, old, cameWith: ranges?.[0]?.connection, lost });
        }),
      );
      subscriber.add(viewed.subscribe(subscriber));
      const running = this.running.get(key);
      if (running === undefined || subscriber.closed) return;
      const onLost = (): void => {
        if (last !== undefined) subscriber.next((last = { ...last, lost: running.lost }));
      };
      const viewers = (running.viewers ??= new Set());
      viewers.add(onLost);
      subscriber.add(() => viewers.delete(onLost));
    });
  }

  private join(
    key: string,
    targets: readonly WatchTarget[],
    run: (follower: Follower<U>) => Observable<U>,
  ): [Observable<U>, ((update: U) => boolean) | undefined] {
    const updates = this.shared.of(key, () => ({ subscribe: (observer) => this.begin(key, targets, run, observer) }));
    return [updates, this.whetherOld(this.running.get(key)?.ranges ?? [])];
  }

  private begin(
    key: string,
    targets: readonly WatchTarget[],
    run: (follower: Follower<U>) => Observable<U>,
    observer: Observer<U>,
  ): Unsubscribable {
    const ranges = targets.map((target) => this.deps.writes.follow(target, () => new FollowedRanges()));
    const running: Running<U> = {
      ranges,
      lost: undefined,
      viewers: undefined,
      listing: () => ranges.forEach((range) => range.listing()),
      onUpdate: (update) => {
        const isListed = update.type !== 'change';
        if (isListed) running.lost = undefined;
        ranges.forEach((range, index) => range.show(this.kind.stateOf(update, index), isListed, this.deps.streams.stateNow));
      },
      onLost: (cause) => {
        running.lost = cause;
        for (const tell of [...(running.viewers ?? [])]) tell();
      },
    };
    this.running.set(key, running);
    const source = attachTo(run(running), observer);
    return {
      unsubscribe: () => {
        source.detach(observer);
        for (const range of ranges) range.end();
        // A subscriber may have subscribed again at once, so that another run has started.
        if (this.running.get(key) === running) this.running.delete(key);
      },
    };
  }

  /**
   * Returns a function that decides whether an update lacks a write that the server has confirmed by now. Returns
   * undefined if neither the current update nor a later one can lack such a write.
   */
  private whetherOld(followed: readonly FollowedRange[]): ((update: U) => boolean) | undefined {
    const checks = followed.flatMap((range, index) => {
      const isOld = range.whetherOld();
      return isOld === undefined ? [] : [(update: U) => isOld(this.kind.stateOf(update, index))];
    });
    return checks.length === 0 ? undefined : (update) => checks.some((isOld) => isOld(update));
  }
}
