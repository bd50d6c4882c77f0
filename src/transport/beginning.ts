import type { Rpc } from '../codec/rpc.js';
import { INVALID } from '../codec/wire.js';
import { EtcdError } from '../errors/index.js';
import { newCall, type CallOptions, type ReadCallOptions } from './call.js';

/** The state of a call, and what it sends: encoded once, whatever the number of tries. */
export function begin<In>(rpc: Rpc<In, unknown>, request: In, options: CallOptions) {
  const json = rpc.request.write(request);
  if (json === INVALID) throw new EtcdError('InvalidArgument', 'the request is not valid', { rpc: rpc.name });
  return { json, body: JSON.stringify(json), call: newCall(rpc, options) };
}

/** The oldest revision that may be answered. */
export function oldestOf({ name, safety }: Rpc<never, unknown>, { monotonic }: ReadCallOptions, newest: number): number {
  if (monotonic !== true) return 0;
  if (safety === 'write') throw new EtcdError('InvalidArgument', 'monotonic is for what only reads', { rpc: name });
  return newest;
}

/** How long a call may take, in milliseconds. */
export function timeoutOf({ timeoutMs }: CallOptions, fallback: number): number {
  if (timeoutMs === undefined) return fallback;
  if (!(timeoutMs > 0))
    throw new EtcdError('InvalidArgument', `timeoutMs is a number of milliseconds above 0, or Infinity, not ${String(timeoutMs)}`);
  // Node's timers wrap above this, and fire at once; it is 24 days.
  return timeoutMs > 2 ** 31 - 1 ? Infinity : timeoutMs;
}
