import { hasReason, type Client, type Range, type WatchOptions } from '../../../../src/index.js';
import { Recorder, violations, type History, type Violation } from '../../../support/watchGuarantees.js';
import { viewOf } from '../../../support/watchGuarantees/view.js';
import type { Random } from '../../../support/random.js';
import { waitFor } from '../../../support/waitFor.js';

const LASTING: readonly (readonly [name: string, range: Range, options?: WatchOptions])[] = [
  ['prefix a', { prefix: 'a/' }],
  ['prefix a with prevKv', { prefix: 'a/' }, { prevKv: true }],
  ['one key', 'a/0/0/1', { prevKv: true }],
  ['from and to', { from: 'a/1/', to: 'b/2/' }],
  ['deletes', { all: true }, { noPut: true, prevKv: true }],
  ['puts', { prefix: 'b/' }, { noDelete: true }],
  ['all from the first', { all: true }, { startRevision: 1 }],
];

/** Watches that stay, others that come and go, and those whose events were compacted before they received them. */
export class Watches {
  private lasting: readonly Recorder[];
  private readonly others: Recorder[] = [];
  private compacted = 0;
  /** The history after their cursor was compacted, so they must fail. */
  private readonly doomed = new Set<Recorder>();

  constructor(
    private readonly client: Client,
    private readonly random: Random,
  ) {
    this.lasting = LASTING.map(([name, range, options = {}]) => this.record(name, range, options));
  }

  get all(): readonly Recorder[] {
    return [...this.lasting, ...this.others];
  }

  get delivered(): number {
    return this.all.reduce((sum, { events }) => sum + events, 0);
  }

  get overtaken(): number {
    return this.all.filter(isOvertaken).length;
  }

  /** Whether a watch ended without a reason. */
  get failed(): boolean {
    return this.all.some(isBroken);
  }

  /**
   * Returns the revision of the slowest remaining watch. A watch that failed with `Compacted` is replaced by another,
   * from the oldest revision that its error names.
   */
  slowest(): number {
    this.lasting = this.lasting.map((watch) => (isOvertaken(watch) ? this.anew(watch) : watch));
    return Math.min(...this.lasting.map(({ next }) => next - 1));
  }

  /** Adds a watch, from now on or from some time ago; an earlier one ends. */
  join(now: number, replay = this.random.chance(0.7)): void {
    this.others[this.others.length - 1 - this.random.int(0, 4)]?.stop();
    this.others[this.others.length - 5]?.stop();
    const range: Range = { prefix: this.random.pick(['a/', 'b/', 'm/', 'a/1/']) };
    const options = replay ? { startRevision: Math.max(1, now - this.random.int(0, 300)) } : {};
    this.others.push(this.record(`joined as number ${this.others.length + 1}`, range, options));
  }

  /**
   * Compacts the store to one of these revisions that not all watches have reached. No watch may receive anything
   * during that time.
   */
  async overtake(candidates: readonly number[], compact: (revision: number) => Promise<unknown>): Promise<void> {
    const least = this.slowest() + 1;
    const possible = candidates.filter((revision) => revision > least && revision > this.compacted);
    if (possible.length === 0) return;
    const revision = this.random.pick(possible);
    await compact(revision);
    this.compacted = revision;
    for (const watch of this.lasting) if (watch.next > 0 && watch.next < revision) this.doomed.add(watch);
  }

  /** Waits for all due events, and verifies them. */
  async finish(history: History): Promise<void> {
    const late = (): Recorder[] =>
      this.lasting.filter((watch) => watch.end === undefined && watch.revision < (viewOf(history, watch).due.at(-1) ?? 0));
    const spared = (): Recorder[] => [...this.doomed].filter(({ end }) => end === undefined);
    const settled = (): boolean => {
      this.slowest();
      for (const watch of this.lasting) watch.through = history.last;
      return late().length + spared().length === 0;
    };
    // Missing events are found and named below.
    await waitFor('all is delivered', settled).catch(() => undefined);
    for (const watch of this.all) watch.compacted = this.compacted;
    const problems = [
      ...this.all.filter(isBroken).map(({ name, next, end }) => `'${name}' ended at ${next}: ${JSON.stringify(end)}`),
      ...spared().map(({ name, next }) => `'${name}' was overtaken at ${next}, and did not end`),
      ...late().map(({ name, revision }) => `'${name}' got no further than ${revision} of ${history.last}`),
      ...this.all.flatMap((watch) => summary(violations(history, watch))),
    ];
    if (problems.length > 0) throw new Error(`${problems.length} problems:\n${problems.slice(0, 20).join('\n')}`);
  }

  private record(name: string, range: Range, options: WatchOptions): Recorder {
    return new Recorder(name, range, options, this.client.watchBatches(range, options));
  }

  private anew(watch: Recorder): Recorder {
    this.others.unshift(watch);
    watch.through = undefined;
    return this.record(watch.name, watch.range, { ...watch.options, startRevision: compactRevisionOf(watch) });
  }
}

/** Returns the oldest revision that still exists, from the error of a watch; 0 if the watch ended in another way. */
function compactRevisionOf({ end }: Recorder): number {
  return typeof end === 'object' && hasReason(end.error, 'Compacted') ? (end.error.compactRevision ?? 0) : 0;
}

/**
 * Returns whether a watch failed with `Compacted`, as it must if it missed events. Before 3.5.16 the next revision may
 * have lost its deletes if the history is compacted there.
 */
function isOvertaken(watch: Recorder): boolean {
  const compacted = compactRevisionOf(watch);
  return compacted > 0 && compacted >= watch.next;
}

function isBroken(watch: Recorder): boolean {
  return watch.end !== undefined && !isOvertaken(watch);
}

/** Returns a line for each violated guarantee: how often, and the first violation. */
function summary(broken: readonly Violation[]): string[] {
  const byPromise = new Map<string, Violation[]>();
  for (const violation of broken) byPromise.set(violation.promise, [...(byPromise.get(violation.promise) ?? []), violation]);
  return [...byPromise].map(
    ([promise, all]) => `'${all[0]?.watcher}' is not ${promise}, ${all.length} times: first at ${all[0]?.revision}, ${all[0]?.what}`,
  );
}
