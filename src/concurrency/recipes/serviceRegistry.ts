import { defer, map, of, switchMap, type Observable } from 'rxjs';
import { LazyModule } from '../../util/rx.js';
import type { EtcdError } from '../../errors/index.js';
import {
  ANYTHING,
  checkArgument,
  invalidArgument,
  jsonOf,
  checkName,
  checkOptions,
  oneOf,
  type OptionKinds,
  required,
  STRING,
} from '../../model/validate.js';
import { readNow } from '../../model/captured.js';
import { del, type Op, put } from '../../model/op.js';
import type { LeaseId } from '../../model/ids.js';
import type { Range } from '../../model/range.js';
import type { LiveUpdate } from '../../watch/live/liveRange.js';
import { checkedArguments, type ServicesOptions } from '../arguments.js';
import type { ConcurrencyContext } from '../context.js';
import { ANNOUNCE, type AnnounceOptions, announced } from './announce.js';
import type { Endpoint } from './serviceEndpoint.js';

/** The content of a service's entry. */
export interface EndpointOptions {
  /** The address of the service, such as `10.0.0.7:8080`. */
  readonly addr: string;
  /** The metadata of the endpoint: any value that JSON can represent. */
  readonly metadata?: unknown;
}

/** The options of `register`: the entry and the TTL of its lease. */
export interface RegisterOptions extends EndpointOptions, AnnounceOptions {}

/**
 * An event of a registration:
 * - `registered`: the entry exists. After each `lost` it is emitted again, with another lease
 * - `lost`: the lease and its entry were lost, or may have been; `error` is the cause. Another registration follows,
 *   unless the lease was that of a session that has ended. With `AmbiguousWrite` the lease is revoked, as it is unknown
 *   whether the put was carried out. A session's lease is not revoked
 */
export type Registration =
  | { readonly type: 'registered'; readonly id: string; readonly key: string; readonly lease: LeaseId; readonly revision: number }
  | { readonly type: 'lost'; readonly id: string; readonly key: string; readonly error: EtcdError };

/** The services behind a name. */
export interface Services {
  readonly target: string;
  /**
   * Registers an entry, and keeps it as long as the Observable is subscribed to. If its lease is lost, the entry is
   * registered again. With the option `session`, the Observable errors instead. If another client revokes the lease,
   * the revocation is detected at the next keepalive, within a third of the TTL. Unsubscribing removes the entry at
   * once.
   */
  register(id: string, options: RegisterOptions): Observable<Registration>;
  /**
   * Emits the current endpoints by id, and emits them again after each change. The Observable is hot. Each map is
   * immutable, and shows a state that the store really had.
   */
  readonly endpoints$: Observable<ReadonlyMap<string, Endpoint>>;
  /** Reads the endpoints once, by id. To follow their changes, use {@link Services.endpoints$}. */
  list(): Observable<ReadonlyMap<string, Endpoint>>;
  /**
   * Adds, replaces and deletes entries in one txn, at most once. Emits the revision of the change. An entry without
   * `lease` exists until it is deleted; {@link Services.register} keeps an entry only as long as its service runs.
   *
   * ```ts
   * const shops = etcd.services('shop');
   * shops.update([
   *   { type: 'put', id: 'shop-1', addr: '10.0.0.7:8080' },
   *   { type: 'delete', id: 'shop-2' },
   * ]).subscribe(({ revision }) => console.log(revision));
   * ```
   */
  update(changes: readonly ServiceChange[]): Observable<ServiceUpdated>;
  /**
   * Deletes an entry, at most once. Emits the revision of the deletion. If there was no entry, emits the revision of
   * the store.
   */
  delete(id: string): Observable<ServiceUpdated>;
}

/** A change of an entry: `put` adds or replaces it. */
export type ServiceChange =
  | (EndpointOptions & { readonly type: 'put'; readonly id: string; readonly lease?: LeaseId })
  | { readonly type: 'delete'; readonly id: string };

/** The revision of the store after a change of entries. */
export interface ServiceUpdated {
  readonly revision: number;
}

const REGISTER: OptionKinds<RegisterOptions> = { addr: required(STRING), metadata: ANYTHING, ...ANNOUNCE };

/** Loads the code for endpoints, and its library for maps, on demand. Many programs do not need it. */
export const endpointMapModule = new LazyModule(() => import('./serviceEndpoint.js'));

/** Creates the method `services`. */
export function serviceRegistry(
  context: ConcurrencyContext,
  live: (range: Range) => Observable<LiveUpdate>,
): (target: string, options?: ServicesOptions) => Services {
  return (target, options = {}) => {
    const { onInvalid = () => undefined } = checkedArguments.services(target, options);
    const prefix = `${target}/`;
    const update = (changes: readonly ServiceChange[]): Observable<ServiceUpdated> =>
      defer(() => context.kv.txn({ success: changes.map((change) => operationOf(prefix, change)) })).pipe(
        map(({ header: { revision } }) => ({ revision })),
      );
    return {
      target,
      register: (id, options) => registration(target, id, options, context),
      endpoints$: endpointMapModule.module$.pipe(switchMap(({ endpointsOf }) => live({ prefix }).pipe(endpointsOf(prefix, onInvalid)))),
      list: () =>
        endpointMapModule.module$.pipe(
          switchMap(({ endpointsIn }) => context.kv.range({ prefix }).pipe(map(({ kvs }) => endpointsIn(prefix, kvs, onInvalid)))),
        ),
      update,
      delete: (id) => update([{ type: 'delete', id }]),
    };
  };
}

/** Returns the operation for a change. The fields are checked here, as a program in JavaScript can pass any value. */
function operationOf(prefix: string, change: ServiceChange): Op {
  checkArgument('update', 'type', change.type, oneOf('put', 'delete'));
  checkName('a service', change.id);
  const key = prefix + change.id;
  if (change.type === 'delete') return del(key);
  const { lease } = change;
  return put(key, endpointValue(change), lease === undefined ? {} : { lease });
}

function registration(target: string, id: string, options: RegisterOptions, context: ConcurrencyContext): Observable<Registration> {
  // The entry is converted to JSON at once, as the caller may change the metadata afterwards.
  const written = readNow(() => endpointValue(options));
  return defer(() => {
    checkName('a service', id);
    const { ttl, session } = checkOptions('register', options, REGISTER);
    return announced(`${target}/${id}`, of(written()), { ...(ttl && { ttl }), ...(session && { session }) }, context).pipe(
      map((event): Registration => (event.type === 'lost' ? { ...event, id } : { ...event, type: 'registered', id })),
    );
  });
}

/** Returns the value of an entry, in the format of the `endpoints` package of etcd's Go client. */
export function endpointValue({ addr, metadata = null }: EndpointOptions): string {
  if (typeof addr !== 'string' || addr === '')
    throw invalidArgument('addr of register', 'a string that is not empty, such as 10.0.0.7:8080', addr);
  return jsonOf('metadata', { Op: 0, Addr: addr, Metadata: metadata });
}
