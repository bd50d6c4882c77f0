import { filter, type OperatorFunction } from 'rxjs';
import { checkArgument, oneOf } from '../src/model/validate.js';
import type { WatchEvent } from '../src/model/events.js';

/**
 * Passes events of one type, and narrows their TypeScript type with it. The name is that of an operator of NgRx and
 * redux-observable, which does the same for actions.
 *
 * ```text
 * source:  --P(a)--D(a)--P(b)--|
 *          ofType('delete')
 * result:  --------D(a)--------|
 * ```
 *
 * ## Example
 *
 * Report deleted services
 *
 * ```ts
 * etcd.watch({ prefix: 'services/' }).pipe(
 *   ofType('delete'),
 *   map((event) => `${event.kv.key} is gone`),
 * ).subscribe((line) => console.log(line));
 *
 * // etcdctl put services/a 10.0.0.1
 * // etcdctl del services/a
 * // Logs:
 * // services/a is gone
 * ```
 *
 * @see {@link puts}
 * @see {@link deletes}
 *
 * @param type `'put'` (created or changed) or `'delete'` (deleted, or its lease ended).
 * @return A function that returns an Observable of the events of that type.
 */
export function ofType<K extends WatchEvent['type']>(type: K): OperatorFunction<WatchEvent, Extract<WatchEvent, { readonly type: K }>> {
  checkArgument('ofType', 'type', type, oneOf('put', 'delete'));
  return filter((event): event is Extract<WatchEvent, { readonly type: K }> => event.type === type);
}
