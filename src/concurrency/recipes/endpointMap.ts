import * as E from 'fp-ts/lib/Either.js';
import { Map as PersistentMap } from 'immutable';
import { map, scan, type OperatorFunction } from 'rxjs';
import type { InvalidValueError } from '../../errors/index.js';
import { Snapshot } from '../../model/immutableMapView.js';
import type { KeyValue } from '../../model/keyValue.js';
import type { LiveUpdate } from '../../watch/live/liveRange.js';
import { endpointOf, type Endpoint } from './serviceEndpoint.js';

/**
 * Maps a live range to the endpoints of a service by their ids. The cost of a change depends on its size, not on the
 * number of endpoints.
 */
export function endpointsOf(
  prefix: string,
  onInvalid: (error: InvalidValueError) => void,
): OperatorFunction<LiveUpdate, ReadonlyMap<string, Endpoint>> {
  type Endpoints = PersistentMap<string, Endpoint>;
  const note = (draft: Endpoints, kv: KeyValue): void => {
    const endpoint = endpointOf(prefix, kv);
    if (E.isRight(endpoint)) draft.set(endpoint.right.id, endpoint.right);
    else {
      draft.delete(kv.key.slice(prefix.length));
      onInvalid(endpoint.left);
    }
  };
  return (updates) =>
    updates.pipe(
      scan(
        (endpoints, { type, state, changes }) =>
          (type === 'snapshot' ? PersistentMap<string, Endpoint>() : endpoints).withMutations((draft) => {
            if (type === 'snapshot') for (const kv of state.values()) note(draft, kv);
            for (const { type: what, kv } of changes) {
              if (what === 'put') note(draft, kv);
              else draft.delete(kv.key.slice(prefix.length));
            }
          }),
        PersistentMap<string, Endpoint>(),
      ),
      map((endpoints) => new Snapshot(endpoints)),
    );
}
