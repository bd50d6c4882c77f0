import type { ObservableInput, ObservedValueOf, OperatorFunction } from 'rxjs';
import { checkArgument, checkOptions, FUNCTION } from '../src/model/validate.js';
import { whileHeld, whileHeldKinds, type WhileHeldConfig } from './internal/runWhile.js';

/**
 * Runs work as long as an election is won: on the stream of `etcd.election(name).campaign(value)`. The work is stopped the moment that the
 * leadership is lost, given up, or no longer certain. Emits what the work emits.
 *
 * ```text
 * source:  -----L-------------#
 *          whileLeader(leadership => a--b--c--d--e...)
 * result:  -----a--b--c--d--e-#
 * ```
 *
 * The error (`LockLost`) is passed on. To stand again, put a `retry` *after* this operator: before it, nothing would tell the work that the leadership is gone. Completion
 * of the source stops the work, too (the leader resigned, or the client was closed), which `switchMap` would not do.
 *
 * One who has no more work to do leads on. With `onComplete: 'release'` the stream then completes, which gives the leadership up. An error of
 * the work ends it all, and gives it up as well.
 *
 * Between the loss and its being noticed here, a call that is under way may still be carried out: let the work write behind the fence, with {@link guardedBy}.
 *
 * ## Example
 *
 * ```ts
 * etcd.election('scheduler').campaign('node-1').pipe(
 *   whileLeader(({ revision }) => timer(0, 1_000).pipe(map((tick) => `${revision}: tick ${tick}`))),
 *   retryBackoff({ retryIf: (error) => hasReason(error, 'LockLost') }),
 * ).subscribe((line) => console.log(line));
 *
 * // it leads from revision 2 on; its key is deleted in the second second; it stands again, and leads from revision 9 on
 * // Logs:
 * // 2: tick 0
 * // 2: tick 1
 * // 9: tick 0
 * ```
 *
 * @see {@link withLock}
 * @see {@link guardedBy}
 *
 * @param project A function that gives the work; it gets the leadership, and the number of those before it.
 * @param config What becomes of the leadership when the work completes.
 * @return A function that returns an Observable of what the work emits.
 */
export function whileLeader<L extends object, O extends ObservableInput<unknown>>(
  project: (leadership: L, index: number) => O,
  config: WhileHeldConfig = {},
): OperatorFunction<L, ObservedValueOf<O>> {
  checkArgument('whileLeader', 'project', project, FUNCTION);
  const { onComplete = 'hold' } = checkOptions('whileLeader', config, whileHeldKinds());
  return (source) => whileHeld(source, project, onComplete);
}
