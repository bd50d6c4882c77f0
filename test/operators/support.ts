import { expect } from '@jest/globals';
import { TestScheduler, type RunHelpers } from 'rxjs/testing';
import { toBase64, type BytesLike } from '../../src/model/bytes.js';
import { KeyValue, type KeyValueParts } from '../../src/model/keyValue.js';
import type { DeleteEvent, PutEvent } from '../../src/model/events.js';

/** A key with its value, last changed at a revision. */
export function kv(key: BytesLike, value: BytesLike, revision: number, parts: Partial<KeyValueParts> = {}): KeyValue {
  return new KeyValue({
    key64: toBase64(key),
    value64: toBase64(value),
    createRevision: 1,
    modRevision: revision,
    version: 2,
    lease: undefined,
    ...parts,
  });
}

/** A change of a key that was created at revision 1. */
export function put(key: BytesLike, value: BytesLike, revision: number, parts: Partial<KeyValueParts> = {}): PutEvent {
  return { type: 'put', kv: kv(key, value, revision, parts), revision };
}

export function del(key: BytesLike, revision: number): DeleteEvent {
  return { type: 'delete', kv: kv(key, '', revision, { createRevision: 0, version: 0 }), revision };
}

/** Enough of etcd to give true events: revisions from 2 on, versions, creations. Each call is a revision of its own; `txn` makes several calls one. */
export class Store {
  readonly #keys = new Map<string, KeyValue>();
  #revision = 1;
  #inTxn = false;

  put(key: string, value: string): PutEvent {
    const revision = this.#next();
    const before = this.#keys.get(key);
    const after = kv(key, value, revision, { createRevision: before?.createRevision ?? revision, version: (before?.version ?? 0) + 1 });
    this.#keys.set(key, after);
    return { type: 'put', kv: after, revision, ...(before === undefined ? {} : { prevKv: before }) };
  }

  delete(key: string): DeleteEvent {
    const before = this.#keys.get(key);
    this.#keys.delete(key);
    const event = del(key, this.#next());
    return before === undefined ? event : { ...event, prevKv: before };
  }

  txn<T>(body: () => T): T {
    this.#revision++;
    this.#inTxn = true;
    const result = body();
    this.#inTxn = false;
    return result;
  }

  #next(): number {
    return this.#inTxn ? this.#revision : ++this.#revision;
  }
}

/** Runs a test in virtual time; what it expects is checked at its end. */
export function virtually(test: (helpers: RunHelpers) => void): void {
  new TestScheduler((actual, expected) => expect(actual).toEqual(expected)).run(test);
}

/** What an example prints: its `console.log`, a line a call. */
export function logger(): { readonly log: (...parts: unknown[]) => void; readonly lines: string[] } {
  const lines: string[] = [];
  return { log: (...parts) => void lines.push(parts.map(String).join(' ')), lines };
}
