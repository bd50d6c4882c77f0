import { tap } from 'rxjs';
import type { Client, Range, WatchOptions } from '../../../src/index.js';
import { Recorder, violations, type History } from '../watchGuarantees.js';
import { viewOf } from '../watchGuarantees/view.js';
import { awakeNow } from '../stopwatch.js';

/** The keys of writers: the watches are not checked for the keys of locks. */
const ALL: Range = { from: 'a', to: 'n' };

const WATCHES: readonly (readonly [name: string, range: Range, options?: WatchOptions])[] = [
  ['all from the first', ALL, { startRevision: 1, prevKv: true }],
  ['prefix a', { prefix: 'a/' }],
  ['puts', { from: 'b/', to: 'n' }, { noDelete: true }],
  ['deletes', ALL, { noPut: true, prevKv: true }],
];

/** A watch that records when it received each revision. */
export class Watcher {
  readonly recorder: Recorder;
  /** The time at which it received a revision. */
  readonly heard = new Map<number, number>();

  constructor(name: string, etcd: Client, range: Range, options: WatchOptions) {
    const noted = etcd
      .watchBatches(range, options)
      .pipe(tap(({ type, revision }) => type === 'events' && this.heard.set(revision, awakeNow())));
    this.recorder = new Recorder(name, range, options, noted);
  }

  stop(): void {
    this.recorder.stop();
  }

  /** Whether it has received everything that it must receive. */
  complete(history: History): boolean {
    this.recorder.through = history.last;
    return this.recorder.revision >= (viewOf(history, this.recorder).due.at(-1) ?? 0);
  }

  /** The guarantees that it violated. */
  problems(history: History): string[] {
    const { name, end, revision } = this.recorder;
    return [
      ...(end === undefined ? [] : [`'${name}' ended: ${end === 'completed' ? end : String(end.error)}`]),
      ...(this.complete(history) ? [] : [`'${name}' got no further than ${revision} of ${history.last}`]),
      ...violations(history, this.recorder).map(({ promise, revision, what }) => `'${name}' is not ${promise}: at ${revision}, ${what}`),
    ];
  }
}

/** The watches of one client, which share a stream if they can. */
export function watchersOf(user: string, etcd: Client): Watcher[] {
  return WATCHES.map(([name, range, options = {}]) => new Watcher(`${name} of ${user}`, etcd, range, options));
}
