import { hasReason, isEtcdError, type Reason } from '../../../src/index.js';
import { History, violations, type Recorder, type Written } from '../../support/watchGuarantees.js';

/** The ends of watches whose store is gone. */
const STORE_GONE: readonly Reason[] = ['ClusterIDMismatch', 'FutureRev'];

/** The time of one store, until it is wiped, with the watches that began meanwhile. */
export class Era {
  readonly written = new Map<number, Written[]>();
  /** The last revision that was compacted. */
  compacted = 0;
  private watches: Recorder[] = [];
  /** The watches that the run has unsubscribed from; they need not detect anything after that. */
  private readonly left = new Set<Recorder>();
  private isOver = false;

  /** @param isFirst whether no store was wiped before */
  constructor(private readonly isFirst: boolean) {}

  get all(): readonly Recorder[] {
    return this.watches;
  }

  add(watch: Recorder): Recorder {
    this.watches.push(watch);
    return watch;
  }

  leave(watch: Recorder): void {
    watch.stop();
    this.left.add(watch);
  }

  /**
   * Records that the store was wiped. A watch that has seen nothing of it may continue with the next store, and is
   * unsubscribed.
   */
  end(): void {
    this.isOver = true;
    for (const watch of this.watches) if (!watch.begun) this.leave(watch);
    this.watches = this.watches.filter(({ begun }) => begun);
  }

  /** Returns whether a watch has to be replaced by one of the present store. */
  hasLost(watch: Recorder): boolean {
    return !this.watches.includes(watch) ? watch.end !== undefined || !watch.begun : isStoreGone(watch);
  }

  /** Returns the revision at which something with a value was written, or several. */
  revisionsOf(value: string): readonly number[] {
    return [...this.written].filter(([, changes]) => changes.some((change) => change.value === value)).map(([revision]) => revision);
  }

  /**
   * Returns the violated guarantees, and the ends without a reason.
   *
   * @param lasting the watches that must have seen everything up to the end
   */
  problems(lasting: readonly Recorder[]): readonly string[] {
    const history = new History(this.written);
    return this.watches.flatMap((watch) => {
      const { name, end, next } = watch;
      if (!this.isOver && lasting.includes(watch)) watch.through = history.last;
      watch.compacted = this.compacted;
      const broken = violations(history, watch).map(
        ({ promise, watcher, revision, what }) => `'${watcher}' is not ${promise}: at ${revision}, ${what}`,
      );
      if (end === undefined)
        return this.isOver && !this.left.has(watch) ? [...broken, `'${name}' goes on after its store was wiped`] : broken;
      return this.mayEnd(watch) ? broken : [...broken, `'${name}' ended at ${next}: ${end === 'completed' ? '' : reasonOf(end)}`];
    });
  }

  private mayEnd(watch: Recorder): boolean {
    return watch.end === 'completed' || isOvertaken(watch) || (isStoreGone(watch) && (this.isOver || !this.isFirst));
  }
}

export type End = { readonly error: unknown };

export const reasonOf = ({ error }: End): string => (isEtcdError(error) ? `${error.reason}: ${error.message}` : String(error));

/**
 * Returns the compacted revision of a watch that ended with `Compacted`; 0 if the watch ended otherwise, or continues.
 */
export const compactRevisionOf = ({ end }: Recorder): number =>
  typeof end === 'object' && hasReason(end.error, 'Compacted') ? (end.error.compactRevision ?? 0) : 0;

/**
 * Returns whether a compaction overtook a watch. Before 3.5.16 the next revision may have lost its deletes if the
 * history is compacted there.
 */
export const isOvertaken = (watch: Recorder): boolean => compactRevisionOf(watch) > 0 && compactRevisionOf(watch) >= watch.next;

const isStoreGone = ({ end }: Recorder): boolean => typeof end === 'object' && hasReason(end.error, ...STORE_GONE);
