import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import type { InvalidValueError } from '../../errors/index.js';
import type { KeyValue } from '../../model/keyValue.js';
import { invalidArgument, jsonOf } from '../../model/validate.js';

/** An endpoint of a service. */
export interface Endpoint {
  readonly id: string;
  readonly key: string;
  /** The address of the service, such as `10.0.0.7:8080`. */
  readonly addr: string;
  /** The metadata that was registered with it; null if there is none. */
  readonly metadata: unknown;
}

/** The entry that is registered for a service. */
export interface EndpointOptions {
  /** The address of the service, such as `10.0.0.7:8080`. */
  readonly addr: string;
  /** Any value that JSON can represent. */
  readonly metadata?: unknown;
}

/**
 * The value as the `endpoints` package of etcd's Go client writes it, with further fields for compatibility with
 * earlier versions.
 */
const Stored = t.intersection([t.type({ Addr: t.string }), t.partial({ Metadata: t.unknown })], 'Endpoint');

export function endpointValue({ addr, metadata = null }: EndpointOptions): string {
  if (typeof addr !== 'string' || addr === '')
    throw invalidArgument('addr of register', 'a string that is not empty, such as 10.0.0.7:8080', addr);
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
