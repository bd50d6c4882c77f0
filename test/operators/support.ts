import type { BytesLike } from '../../src/model/bytes.js';
import type { KeyValue } from '../../src/model/keyValue.js';
import type { DeleteEvent, PutEvent } from '../../src/model/events.js';
import { keyValue, type KeyValueFields } from '../../src/testing/index.js';

/** A key with its value, last changed at a revision. */
export const kv = (key: BytesLike, value: BytesLike, modRevision: number, fields: Partial<KeyValueFields> = {}): KeyValue =>
  keyValue({ key, value, createRevision: 1, modRevision, version: 2, ...fields });

/** A change of a key that was created at revision 1. */
export function put(key: BytesLike, value: BytesLike, revision: number, fields: Partial<KeyValueFields> = {}): PutEvent {
  return { type: 'put', kv: kv(key, value, revision, fields), revision };
}

export function del(key: BytesLike, revision: number): DeleteEvent {
  return { type: 'delete', kv: kv(key, '', revision, { createRevision: 0, version: 0 }), revision };
}

export { eventsOf } from '../support/memory/history.js';
export { runInVirtualTime } from '../support/virtualTime.js';

/** Runs an example, and returns its output: a line for each `console.log`. */
export function logger(): { readonly log: (...parts: unknown[]) => void; readonly lines: string[] } {
  const lines: string[] = [];
  return { log: (...parts) => void lines.push(parts.map(String).join(' ')), lines };
}
