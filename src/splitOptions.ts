import type { CallOptions } from './transport/call.js';

/**
 * The options of a method in two: what goes into the request, and what the call is told. Users give both in one object.
 */
export function splitOptions<T extends CallOptions>(options: T): [request: Omit<T, keyof CallOptions>, call: CallOptions] {
  const { timeoutMs, signal, endpoint, ...request } = options;
  return [
    request,
    {
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(signal === undefined ? {} : { signal }),
      ...(endpoint === undefined ? {} : { endpoint }),
    },
  ];
}
