import { defer, type Observable } from 'rxjs';
import { captured } from '../../model/captured.js';
import { checkOptions, type OptionKinds } from '../../model/validate.js';
import type { ReadCallOptions } from '../../transport/call.js';

/**
 * Calls a method some of whose options are fields of the request. The options are copied now, and checked and split on
 * subscription. An unknown name would become a field of the request: `rangeEnd`, for example, would turn the delete of
 * a key into a delete of many.
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
 * Splits the options of a method, which users pass in one object, into fields of the request and options of the call.
 */
export function splitOptions<T extends ReadCallOptions>(options: T): [request: Omit<T, keyof ReadCallOptions>, call: ReadCallOptions] {
  const { timeoutMs, signal, endpoint, monotonic, ...request } = options;
  return [
    request,
    {
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(signal === undefined ? {} : { signal }),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(monotonic === undefined ? {} : { monotonic }),
    },
  ];
}
