import type { Either } from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import type { InvalidValueError } from '../../errors/index.js';
import type { KeyValue } from '../../model/keyValue.js';
import { Map as ImmutableMap } from 'immutable';
import { map, scan, type OperatorFunction } from 'rxjs';
import { Snapshot } from '../../model/immutableMapView.js';
import { mapKey, type MapKey, type PersistentMap } from '../../model/persistentMap.js';
import type { LiveUpdate } from '../../watch/live/liveRange.js';
import { isRight, mapRight } from '../../util/either.js';

/** An endpoint of a service. */
export interface Endpoint {
  readonly id: string;
  readonly key: string;
  /** The address of the service, such as `10.0.0.7:8080`. */
  readonly addr: string;
  /** The metadata that was registered with the endpoint; null if there is none. */
  readonly metadata: unknown;
}

/**
 * The codec for a value of the `endpoints` package of etcd's Go client. The package also writes other fields, for
 * compatibility with its earlier versions.
 */
const Stored = t.intersection([t.type({ Addr: t.string }), t.partial({ Metadata: t.unknown })], 'Endpoint');

export function endpointOf(prefix: string, kv: KeyValue): Either<InvalidValueError, Endpoint> {
  const { key } = kv;
  const toEndpoint = ({ Addr, Metadata = null }: t.TypeOf<typeof Stored>): Endpoint => ({
    id: key.slice(prefix.length),
    key,
    addr: Addr,
    metadata: Metadata,
  });
  return mapRight(kv.json(Stored), toEndpoint);
}

/** Returns the endpoints in a list of entries. The result is a map by id. */
export function endpointsIn(
  prefix: string,
  kvs: readonly KeyValue[],
  onInvalid: (error: InvalidValueError) => void,
): ReadonlyMap<string, Endpoint> {
  const endpoints = new Map<string, Endpoint>();
  for (const kv of kvs) {
    const endpoint = endpointOf(prefix, kv);
    if (isRight(endpoint)) endpoints.set(endpoint.right.id, endpoint.right);
    else onInvalid(endpoint.left);
  }
  return endpoints;
}

/**
 * Converts a live range to the endpoints of a service, as a map by id. The cost of a change depends on the size of the
 * change, and not on the number of endpoints.
 */
export function endpointsOf(
  prefix: string,
  onInvalid: (error: InvalidValueError) => void,
): OperatorFunction<LiveUpdate, ReadonlyMap<string, Endpoint>> {
  type Endpoints = PersistentMap<Endpoint>;
  const note = (draft: Endpoints, kv: KeyValue): void => {
    const endpoint = endpointOf(prefix, kv);
    if (isRight(endpoint)) draft.set(mapKey(endpoint.right.id), endpoint.right);
    else {
      draft.delete(mapKey(kv.key.slice(prefix.length)));
      onInvalid(endpoint.left);
    }
  };
  return (updates) =>
    updates.pipe(
      scan(
        (endpoints, { type, state, changes }) =>
          (type === 'snapshot' ? ImmutableMap<MapKey, Endpoint>() : endpoints).withMutations((draft) => {
            if (type === 'snapshot') for (const kv of state.values()) note(draft, kv);
            for (const { type: what, kv } of changes) {
              if (what === 'put') note(draft, kv);
              else draft.delete(mapKey(kv.key.slice(prefix.length)));
            }
          }),
        ImmutableMap<MapKey, Endpoint>(),
      ),
      map((endpoints) => new Snapshot(endpoints)),
    );
}
