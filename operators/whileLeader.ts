import { map, type ObservableInput, type ObservedValueOf, type OperatorFunction } from 'rxjs';
import { checkArgument, checkOptions, FUNCTION } from '../src/model/validate.js';
import type { OwnershipLost } from '../src/model/events.js';
import { unlessLost, runWhile, runWhileKinds, type RunWhileOptions } from './internal/runWhile.js';

/**
 * Runs work during a leadership, on the stream of `etcd.election(name).campaign(value)`. The work is stopped as soon as
 * the leadership is lost, resigned, or no longer certain. Emits the values of the work.
 *
 * ```text
 * source:  -----L------------X--L(2)----
 *          whileLeader(leadership => a--b--c--d--e...)
 * result:  -----a--b--c--d--e-----a--b--
 * ```
 *
 * `L` is the start of a leadership, and `X` is its loss. With `onLost: 'reacquire'` the campaign continues after a
 * loss, and the work is run again when the election is won again. Without this option, the error (`LockLost`) is passed
 * on. Completion of the source (the leader resigned, or the client was closed) stops the work, too, which `switchMap`
 * would not do.
 *
 * The leadership is kept when the work completes. With `onComplete: 'release'` the stream then completes, and the
 * leadership is resigned.
 *
 * An error of the work is passed on, and ends the leadership. With `onLost: 'reacquire'` the work is run again, after a
 * pause, when its error is temporary. Temporary errors include a lost connection, no leader, a slow server, a full
 * database, a write of unknown outcome, and a loss not reported yet. The work must therefore tolerate a second run, and
 * should first check which part is done already.
 *
 * Until the loss is detected, a pending call may still be carried out. So let the work use {@link guardedBy} for its
 * writes.
 *
 * ## Example
 *
 * ```ts
 * etcd.election('scheduler').campaign('node-1', { onLost: 'reacquire' }).pipe(
 *   whileLeader(({ revision }) => timer(0, 1_000).pipe(map((tick) => `${revision}: tick ${tick}`))),
 * ).subscribe((line) => console.log(line));
 *
 * // it leads from revision 2 on; its key is deleted in the second second; it campaigns again, and leads from
 * // revision 9 on
 * // Logs:
 * // 2: tick 0
 * // 2: tick 1
 * // 9: tick 0
 * ```
 *
 * @see {@link withLock}
 * @see {@link guardedBy}
 *
 * @param project A function that receives a leadership and its index, and returns the work.
 * @param options Whether the leadership is kept when the work completes.
 * @return A function that returns an Observable of the values of the work.
 */
export function whileLeader<L extends object, O extends ObservableInput<unknown>>(
  project: (leadership: L, index: number) => O,
  options: RunWhileOptions = {},
): OperatorFunction<L | OwnershipLost, ObservedValueOf<O>> {
  checkArgument('whileLeader', 'project', project, FUNCTION);
  const { onComplete = 'hold' } = checkOptions('whileLeader', options, runWhileKinds());
  return (source) => runWhile(source.pipe(map((leadership) => unlessLost<L>(leadership))), project, onComplete);
}
