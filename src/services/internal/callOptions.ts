import type { Encoder } from 'io-ts';
import { defer, type Observable } from 'rxjs';
import { ascii, type Json } from '../../codec/descriptors.js';
import { captured, readNow } from '../../model/captured.js';
import { checkOptions, jsonOf, type OptionKind, type OptionKinds } from '../../model/validate.js';
import type { ReadCallOptions } from '../../transport/call.js';

/**
 * Calls a method whose options include fields of the request. The options are copied at the call, and are checked and
 * split on subscription. An unknown name must be rejected, as it would become a field of the request. For example,
 * `rangeEnd` would make a delete of one key delete many keys.
 */
export function withOptions<O extends ReadCallOptions, A>(
  method: string,
  options: O,
  kinds: OptionKinds<O>,
  call: (request: Omit<O, keyof ReadCallOptions>, options: ReadCallOptions) => Observable<A>,
): Observable<A> {
  const given = captured(options);
  return defer(() => call(...splitOptions(checkOptions(method, given, kinds))));
}

/**
 * Splits the options of a method into fields of the request and options of the call, as users pass both in one object.
 */
export function splitOptions<T extends ReadCallOptions>(options: T): [request: Omit<T, keyof ReadCallOptions>, call: ReadCallOptions] {
  const { timeoutMs, signal, endpoint, headers, requireLeader, monotonic, ...request } = options;
  return [
    request,
    {
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(signal === undefined ? {} : { signal }),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(headers === undefined ? {} : { headers }),
      ...(requireLeader === undefined ? {} : { requireLeader }),
      ...(monotonic === undefined ? {} : { monotonic }),
    },
  ];
}

export const ENCODER: OptionKind = {
  what: 'an io-ts codec',
  is: (value) => typeof value === 'object' && value !== null && typeof Reflect.get(value, 'encode') === 'function',
};

/**
 * Encodes the body of `call` at once. Returns a function that returns the JSON text, or throws the error of the
 * encoding. If the encoder is invalid, the body is not encoded, and the call rejects the encoder on subscription.
 */
export function rawBody(body: unknown, encoder: Encoder<never, Json> | undefined): () => string {
  return readNow(() => {
    // The overloads of `Client.call` ensure that the encoder accepts the body.
    const json = encoder !== undefined && ENCODER.is(encoder) ? (encoder as Encoder<unknown, Json>).encode(body) : body;
    return ascii(jsonOf('body of call', json));
  });
}
