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

/** An update, with the facts that show its age to a view. */
export interface ViewedUpdate<U> {
  readonly update: U;
  /** The update is older than what the client knows of its writes. */
  readonly old: boolean;
  /** The state of the connection when the update arrived. */
  readonly cameWith: ConnectionState | undefined;
  /** The loss of the history since then, until the next list arrives. */
  readonly lost: EtcdError | undefined;
}

/** Ranges that are followed now. */
interface Running<U> extends Follower<U> {
  readonly ranges: readonly FollowedRange[];
  /** The loss of the history, until the next list. */
  lost: EtcdError | undefined;
  /** Called when the history is lost. */
  viewers: Set<() => void> | undefined;
}

/** Describes a kind of updates. */
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
   * Joins the updates of the ranges with an identity.
   *
   * @param run starts them
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

  /** Joins the updates for a view. The view itself shows whether a state is old. */
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
        // A subscriber that subscribed again at once may have started another run.
        if (this.running.get(key) === running) this.running.delete(key);
      },
    };
  }

  /** Returns a function that decides whether an update is old; undefined if no later update can be old. */
  private whetherOld(followed: readonly FollowedRange[]): ((update: U) => boolean) | undefined {
    const checks = followed.flatMap((range, index) => {
      const isOld = range.whetherOld();
      return isOld === undefined ? [] : [(update: U) => isOld(this.kind.stateOf(update, index))];
    });
    return checks.length === 0 ? undefined : (update) => checks.some((isOld) => isOld(update));
  }
}
