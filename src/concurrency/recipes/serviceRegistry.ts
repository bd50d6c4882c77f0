import { catchError, defer, EMPTY, map, of, switchMap, throwError, type Observable } from 'rxjs';
import { hasReason, type EtcdError, type InvalidValueError } from '../../errors/index.js';
import { ANYTHING, checkOptions, FUNCTION, required, STRING, WHOLE, type OptionKinds } from '../../model/validate.js';
import type { LeaseId } from '../../model/ids.js';
import { orClosed } from '../../model/closed.js';
import type { Lives } from '../../watch/live/live.js';
import { persistently } from '../../watch/retryable.js';
import { heldLease } from '../lease/lease.js';
import { checkName } from '../names.js';
import type { TenureMeans } from '../lock/ownership.js';
import { endpointValue, type Endpoint, type EndpointOptions } from './serviceEndpoint.js';

/** How a service is registered. */
export interface RegisterOptions extends EndpointOptions {
  /** Seconds that the entry outlives a service that dies: 15 by default. */
  readonly ttl?: number;
}

/**
 * What becomes of a registration.
 * - `registered`: the entry is there; again, with another lease, after each `lost`
 * - `lost`: the lease was lost (`error` says why) and the entry with it, or it may be; another follows
 */
export type Registration =
  | { readonly type: 'registered'; readonly id: string; readonly key: string; readonly lease: LeaseId; readonly revision: number }
  | { readonly type: 'lost'; readonly id: string; readonly key: string; readonly error: EtcdError };

/** The services behind a name. */
export interface Services {
  readonly target: string;
  /** Keeps an entry as long as it is subscribed to, and makes it anew should its lease be lost; unsubscribing removes it at once. */
  register(id: string, options: RegisterOptions): Observable<Registration>;
  /** Who is there, by id, and each change. Hot; each map is one that the store really had, and never changes. */
  readonly endpoints$: Observable<ReadonlyMap<string, Endpoint>>;
}

/** How services are read. */
export interface ServicesOptions {
  /** What is done about an entry that is no endpoint. It is left out, whatever this does. */
  readonly onInvalid?: (error: InvalidValueError) => void;
}

/** The service registry of a client. */
export interface ServiceRegistry {
  /**
   * Registration and discovery of services, in the format of the `endpoints` package of etcd's Go client (`<target>/<id>`), which gRPC's resolver reads.
   *
   * ```ts
   * const shops = etcd.services('shop');
   * shops.register('shop-1', { addr: '10.0.0.7:8080', ttl: 10 }).subscribe();
   * shops.endpoints$.subscribe((endpoints) => console.log([...endpoints.values()].map(({ addr }) => addr)));
   * ```
   */
  services(target: string, options?: ServicesOptions): Services;
}

const DEFAULT_TTL = 15;

const SERVICES: OptionKinds<ServicesOptions> = { onInvalid: FUNCTION };
const REGISTER: OptionKinds<RegisterOptions> = { addr: required(STRING), metadata: ANYTHING, ttl: WHOLE };

/** The service registry of a client. */
export function serviceRegistry(means: TenureMeans, { live }: Pick<Lives, 'live'>): ServiceRegistry {
  return {
    services: (target, options = {}) => {
      checkName('a service', target);
      const { onInvalid = () => undefined } = checkOptions('services', options, SERVICES);
      const prefix = `${target}/`;
      return {
        target,
        register: (id, options) => registration(prefix, id, options, means),
        // Loaded with the maps that it is made of, which not every program needs.
        endpoints$: defer(() => import('./endpointMap.js')).pipe(
          switchMap(({ endpointsOf }) => live({ prefix }).pipe(endpointsOf(prefix, onInvalid))),
        ),
      };
    },
  };
}

function registration(prefix: string, id: string, options: RegisterOptions, means: TenureMeans): Observable<Registration> {
  return defer(() => {
    checkName('a service', id);
    const { ttl = DEFAULT_TTL, ...endpoint } = checkOptions('register', options, REGISTER);
    const key = prefix + id;
    const value = endpointValue(endpoint);
    return heldLease({ ttl, onLost: 'regrant' }, means.leases).pipe(
      switchMap((event): Observable<Registration> => {
        if (event.type === 'lost') return of({ type: 'lost', id, key, error: event.error });
        if (event.type !== 'granted') return EMPTY;
        // To say the same twice, under the same lease, is to say it once.
        return persistently(means.kv.put(key, value, { lease: event.id }), means.leases.settings).pipe(
          map(({ header: { revision } }): Registration => ({ type: 'registered', id, key, lease: event.id, revision })),
          // The lease is gone already: the next is on its way.
          catchError((error: unknown) => (hasReason(error, 'LeaseNotFound') ? EMPTY : throwError(() => error))),
        );
      }),
      orClosed(),
    );
  });
}
