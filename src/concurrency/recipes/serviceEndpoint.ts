import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { EtcdError, type InvalidValueError } from '../../errors/index.js';
import { jsonOf } from '../../model/jsonOf.js';
import type { KeyValue } from '../../model/keyValue.js';

/** Where a service is to be found. */
export interface Endpoint {
  readonly id: string;
  readonly key: string;
  /** Such as `10.0.0.7:8080`. */
  readonly addr: string;
  /** What was registered along with it; null where there is nothing. */
  readonly metadata: unknown;
}

/** What is registered of a service. */
export interface EndpointOptions {
  /** Such as `10.0.0.7:8080`. */
  readonly addr: string;
  /** Anything that JSON can hold. */
  readonly metadata?: unknown;
}

/** The value as the `endpoints` package of etcd's Go client writes it; it has more fields than it needs, for those that were before it. */
const Stored = t.intersection([t.type({ Addr: t.string }), t.partial({ Metadata: t.unknown })], 'Endpoint');

export function endpointValue({ addr, metadata = null }: EndpointOptions): string {
  if (typeof addr !== 'string' || addr === '')
    throw new EtcdError('InvalidArgument', 'addr is a string that is not empty, such as 10.0.0.7:8080');
  return jsonOf('metadata', { Op: 0, Addr: addr, Metadata: metadata });
}

export function endpointOf(prefix: string, kv: KeyValue): E.Either<InvalidValueError, Endpoint> {
  const { key } = kv;
  const toEndpoint = ({ Addr, Metadata = null }: t.TypeOf<typeof Stored>): Endpoint => ({
    id: key.slice(prefix.length),
    key,
    addr: Addr,
    metadata: Metadata,
  });
  return E.map(toEndpoint)(kv.json(Stored));
}
