import type { ReadCallOptions } from './transport/call.js';

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
