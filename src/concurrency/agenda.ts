import { asyncScheduler, type Subscription } from 'rxjs';
import { Clock } from './clock.js';

/** Something to be done at a time. */
export interface Appointment {
  /** Calls it off. */
  cancel(): void;
}

class Entry implements Appointment {
  constructor(
    readonly at: number,
    readonly run: () => void,
    /** Where it is in the heap; -1 when it no longer is. */
    public index: number,
    private readonly onCancel: (entry: Entry) => void,
  ) {}

  cancel(): void {
    this.onCancel(this);
  }
}

/** The clocks are looked at so often at least: a timer stands still while the machine sleeps. It also keeps within what Node's timers can count to. */
const LONGEST_SLEEP_MS = 1_000;

/** Any number of appointments by one timer, which is set for the first of them: what leases wait for would be some thousand timers. */
export class Agenda {
  /** A binary heap: no entry is due before its parent, the one at half its index. */
  private readonly heap: Entry[] = [];
  private readonly clock = new Clock();
  private timer: Subscription | undefined;
  private timerAt = Infinity;
  /** What is made or called off meanwhile is looked at when all is run. */
  private running = false;

  /** Milliseconds since it was made. */
  now(): number {
    return this.clock.now();
  }

  /** Runs `run` in so many milliseconds. */
  in(ms: number, run: () => void): Appointment {
    const entry = new Entry(this.clock.now() + ms, run, this.heap.length, this.cancel);
    this.heap.push(entry);
    this.rise(entry);
    this.arm();
    return entry;
  }

  private readonly cancel = (entry: Entry): void => {
    if (entry.index < 0) return;
    this.remove(entry);
    this.arm();
  };

  /** Sets the timer for the first entry; none where there is none, lest it keep a process alive. */
  private arm(): void {
    const at = this.heap[0]?.at ?? Infinity;
    if (at === this.timerAt || this.running) return;
    this.timer?.unsubscribe();
    this.timerAt = at;
    this.timer =
      at === Infinity
        ? undefined
        : asyncScheduler.schedule(() => this.run(), Math.min(LONGEST_SLEEP_MS, Math.max(0, at - this.clock.now())));
  }

  private run(): void {
    this.timer?.unsubscribe();
    this.timerAt = Infinity;
    this.running = true;
    const now = this.clock.now();
    try {
      for (let first = this.heap[0]; first !== undefined && first.at <= now; first = this.heap[0]) {
        this.remove(first);
        first.run();
      }
    } finally {
      this.running = false;
      this.arm();
    }
  }

  private remove(entry: Entry): void {
    const { index } = entry;
    if (index < 0) return;
    entry.index = -1;
    const last = this.heap.pop();
    if (last === undefined || last === entry) return;
    this.place(last, index);
    this.rise(last);
    this.sink(last);
  }

  private rise(entry: Entry): void {
    while (entry.index > 0) {
      const parent = this.heap[(entry.index - 1) >> 1];
      if (parent === undefined || parent.at <= entry.at) return;
      this.swap(entry, parent);
    }
  }

  private sink(entry: Entry): void {
    for (;;) {
      const [left, right] = [this.heap[2 * entry.index + 1], this.heap[2 * entry.index + 2]];
      const child = left !== undefined && right !== undefined && right.at < left.at ? right : left;
      if (child === undefined || child.at >= entry.at) return;
      this.swap(child, entry);
    }
  }

  private swap(a: Entry, b: Entry): void {
    const { index } = a;
    this.place(a, b.index);
    this.place(b, index);
  }

  private place(entry: Entry, index: number): void {
    this.heap[index] = entry;
    entry.index = index;
  }
}
