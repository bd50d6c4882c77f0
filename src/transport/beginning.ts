import type { Rpc } from '../codec/rpc.js';
import { EtcdError } from '../errors/index.js';
import { LONGEST_MS } from '../model/validate.js';
import { bodyOf } from './http/body.js';
import { newCall, type CallOptions, type ReadCallOptions } from './call.js';

/** The state of a call, and what it sends: encoded once, whatever the number of tries. */
export function begin<In>(rpc: Rpc<In, unknown>, request: In, options: CallOptions) {
  return { body: bodyOf(rpc, request), call: newCall(rpc, options) };
}

/** The oldest revision that may be answered. */
export function oldestOf({ name, safety }: Rpc<never, unknown>, { monotonic }: ReadCallOptions, newest: number): number {
  if (monotonic !== true) return 0;
  if (safety === 'write') throw new EtcdError('InvalidArgument', 'monotonic is for what only reads', { rpc: name });
  return newest;
}

/** How long a call may take, in milliseconds; its options have been checked. */
export function timeoutOf({ timeoutMs }: CallOptions, fallback: number): number {
  if (timeoutMs === undefined) return fallback;
  return timeoutMs > LONGEST_MS ? Infinity : timeoutMs;
}
