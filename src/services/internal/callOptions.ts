import { defer, type Observable } from 'rxjs';
import { checkOptions, type OptionKinds } from '../../model/validate.js';
import type { ReadCallOptions } from '../../transport/call.js';

/**
 * A call of a method whose options are in part of the request: they are checked, and parted, when it is subscribed to. A name that is not the method's would be a
 * field of the request, `rangeEnd` for one, and turn a delete of a key into one of many.
 */
export function withOptions<O extends ReadCallOptions, A>(
  method: string,
  options: O,
  kinds: OptionKinds<O>,
  call: (request: Omit<O, keyof ReadCallOptions>, options: ReadCallOptions) => Observable<A>,
): Observable<A> {
  return defer(() => call(...splitOptions(checkOptions(method, options, kinds))));
}

/**
 * The options of a method in two: what goes into the request, and what the call is told. Users give both in one object.
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
