/** The fields of a combined state that are checked. */
export interface Whole {
  readonly type: 'snapshot' | 'change' | 'resync';
  readonly revision: number;
  readonly sum: number;
  /** Describes the state for a report. */
  readonly describe?: () => string;
}

/** Checks that combined states are consistent: each keeps the sum, revisions grow, and none is skipped. */
export class WholeChecker {
  /** The number of states. */
  count = 0;
  /** The number of states that followed a new list of a range. */
  resyncs = 0;
  /** The number of states whose sum is wrong. */
  torn = 0;
  last: Whole | undefined;
  private readonly problems: string[] = [];
  private readonly seen = new Set<number>();
  /** The revisions that a new list skipped. */
  private readonly gaps: (readonly [after: number, to: number])[] = [];

  constructor(private readonly sum: number) {}

  accept(whole: Whole): void {
    const { type, revision, sum } = whole;
    if (sum !== this.sum) this.torn += 1;
    if (sum !== this.sum) this.report(`the sum at revision ${revision} is ${sum}${this.history(whole)}`);
    if (revision <= (this.last?.revision ?? 0)) this.report(`revision ${revision} follows ${this.last?.revision ?? 0}`);
    if ((type === 'snapshot') !== (this.last === undefined)) this.report(`state ${this.count + 1} is a ${type}`);
    if (type !== 'change') this.gaps.push([this.last?.revision ?? 0, revision]);
    if (type === 'resync') this.resyncs += 1;
    this.count += 1;
    this.seen.add(revision);
    this.last = whole;
  }

  /** The first problem. */
  get problem(): string | undefined {
    return this.problems[0];
  }

  fail(error: unknown): void {
    this.report(`it failed: ${String(error)}`);
  }

  /** Returns the first problems, given all revisions that are known to have changed a part. */
  faults(written: Iterable<number>): readonly string[] {
    const last = this.last?.revision ?? 0;
    const passed = (revision: number): boolean => this.gaps.some(([after, to]) => revision > after && revision <= to);
    for (const revision of written)
      if (!this.seen.has(revision) && !passed(revision)) this.report(`revision ${revision} is missing, the last is ${last}`);
    return this.problems;
  }

  /** Describes a state and the one before. */
  private history({ describe }: Whole): string {
    if (describe === undefined) return '';
    return `: ${describe()}, after ${this.last?.revision ?? 0}: ${this.last?.describe?.() ?? ''}`;
  }

  private report(problem: string): void {
    if (this.problems.length < 10) this.problems.push(problem);
  }
}
