import { describe, expect, test } from '@jest/globals';
import { defer, NEVER, of, Subject, throwError, type Observable } from 'rxjs';
import { electionRpcs, lockRpcs } from '../../../../src/codec/concurrency.js';
import { kvRpcs } from '../../../../src/codec/kv.js';
import { leaseRpcs } from '../../../../src/codec/lease.js';
import { type ResponseOf, type RequestOf, type Rpc, INVALID } from '../../../../src/codec/descriptors.js';
import { EtcdError } from '../../../../src/errors/index.js';
import type { LeaseId } from '../../../../src/model/ids.js';
import type { Caller } from '../../../../src/transport/call.js';
import type { PendingWrite } from '../../../../src/transport/caller.js';
import { OwnWrites, ScopedOwnWrites } from '../../../../src/watch/ownWrites/ownWrites.js';
import { runInVirtualTime, watching } from '../support.js';

/** A decoded response of a server. */
function answer<A>({ response }: Rpc<never, A>, json: unknown): A {
  const read = response.read(json);
  if (read === INVALID) throw new Error('the test sends no valid answer');
  return read;
}

const at = (revision: number) => ({ header: { revision: String(revision) } });

/**
 * A client that has seen revision 5. `changed` is the response of the store to a read of a range, if it can be read.
 */
function setUp(changed?: number, prefix = '') {
  const asked: unknown[] = [];
  const unary = ((rpc: Rpc<unknown, unknown>, request: unknown) =>
    defer((): Observable<unknown> => {
      asked.push(request);
      if (changed === undefined) return throwError(() => new EtcdError('PermissionDenied', 'scripted'));
      return of(answer(rpc as Rpc<never, unknown>, { kvs: changed === 0 ? [] : [{ key: 'YQ==', mod_revision: String(changed) }] }));
    })) as Caller['unary'];
  const never = (): never => { throw new Error('this test has no such calls'); }; // prettier-ignore
  const writes = new OwnWrites();
  const within = new ScopedOwnWrites(writes, { unary, stream: never, channel: never, get: never }, prefix);
  const revision = new Subject<number>();
  const sent = <In, A>(rpc: Rpc<In, A>, request: In): { pending: PendingWrite | undefined; answered(json: unknown): void } => {
    const pending = writes.begun(rpc, request, 5);
    return { pending, answered: (json) => writes.responded(rpc, request, answer(rpc as Rpc<never, A>, json), pending) };
  };
  const put = (key: string) => sent(kvRpcs.put, { key, value: '' });
  return { asked, writes, revision, sent, put, begin: (key: string) => watching(within.startOf({ key }, () => revision).find()) };
}

describe('the start revision of a watch', () => {
  test('is after the revision of the store if its client wrote nothing meanwhile', () => {
    const { begin, revision } = setUp();
    const seen = begin('a');
    revision.next(9);
    expect(seen.values).toEqual([{ next: 10, seen: 9 }]);
  });

  test('is that of an own write that was faster than the read of the revision', () => {
    const { begin, revision, put } = setUp();
    const seen = begin('a');
    put('a').answered(at(7));
    put('a').answered(at(8));
    revision.next(9);
    expect(seen.values).toEqual([{ next: 7, seen: 9 }]);
  });

  test('is not that of a write that was sent before the watch was subscribed to', () => {
    const { begin, revision, put } = setUp();
    begin('other');
    const before = put('a');
    const seen = begin('a');
    before.answered(at(7));
    revision.next(9);
    expect(seen.values).toEqual([{ next: 10, seen: 9 }]);
  });

  test('differs between watches if writes are sent between them', () => {
    const { begin, revision, put } = setUp();
    const seen = [begin('a')];
    const first = put('a');
    seen.push(begin('a'));
    const second = put('a');
    seen.push(begin('a'));
    // Responses need not come in the order of the revisions.
    second.answered(at(8));
    first.answered(at(7));
    revision.next(9);
    expect(seen.map(({ values }) => values[0]?.next)).toEqual([7, 8, 10]);
  });

  test('waits for a pending write, but not for one of other keys', () => {
    const { begin, revision, put } = setUp();
    const [seen, other] = [begin('a'), begin('b')];
    const write = put('a');
    revision.next(9);
    expect([seen.values, other.values]).toEqual([[], [{ next: 10, seen: 9 }]]);
    write.answered(at(9));
    expect(seen.values).toEqual([{ next: 9, seen: 9 }]);
  });

  test('is after the revision of the store if the pending write was rejected', () => {
    const { begin, revision, put, asked } = setUp(8);
    const seen = begin('a');
    const write = put('a');
    revision.next(9);
    write.pending?.ended(false);
    expect([seen.values, asked]).toEqual([[{ next: 10, seen: 9 }], []]);
  });

  test.each<[string, number | undefined, number]>([
    ['at which its key was changed', 8, 8],
    ['after that of the store if its key was not changed', 0, 10],
    ['after that of the store if its key may not be read', undefined, 10],
  ])('after a write of unknown outcome is the revision %s', (_, changed, next) => {
    const { begin, revision, put, asked } = setUp(changed);
    const seen = begin('a');
    put('a').pending?.ended(true);
    revision.next(9);
    expect(seen.values).toEqual([{ next, seen: 9 }]);
    expect(asked).toMatchObject([{ minModRevision: 6, maxModRevision: 9, limit: 1 }]);
  });

  test('is read from the store if a write has no response for a second', () => {
    runInVirtualTime(({ flush }) => {
      const { begin, revision, put, asked } = setUp(8);
      const seen = begin('a');
      put('a');
      revision.next(9);
      expect(seen.values).toEqual([]);
      flush();
      expect([seen.values, asked.length]).toEqual([[{ next: 8, seen: 9 }], 1]);
    });
  });

  test('compares keys with their prefix in a namespace', () => {
    const { begin, revision, put } = setUp(undefined, 'ns/');
    const seen = begin('a');
    put('a');
    const inside = put('ns/a');
    revision.next(9);
    expect(seen.values).toEqual([]);
    inside.answered(at(7));
    expect(seen.values).toEqual([{ next: 7, seen: 9 }]);
  });

  test.each<[string, Rpc<never, unknown>, unknown, unknown, number]>([
    ['a delete', kvRpcs.deleteRange, { key: 'a' }, { ...at(7), deleted: '1' }, 7],
    ['a delete of nothing', kvRpcs.deleteRange, { key: 'a' }, at(7), 10],
    ['a txn that put', kvRpcs.txn, { success: [{ requestPut: { key: 'b', value: '' } }] }, { ...at(7), succeeded: true, responses: [{ response_put: {} }] }, 7], // prettier-ignore
    ['a txn that did not put', kvRpcs.txn, { success: [{ requestPut: { key: 'b', value: '' } }] }, at(7), 10],
    ['a revocation', leaseRpcs.revoke, { id: '1' as LeaseId }, at(7), 7],
    ['a revocation that deleted nothing', leaseRpcs.revoke, { id: '1' as LeaseId }, at(5), 10],
  ])('after %s is taken from the response', (_, rpc, request, json, next) => {
    const { begin, revision, sent } = setUp();
    const seen = begin('a');
    sent(rpc as Rpc<unknown, unknown>, request).answered(json);
    revision.next(9);
    expect(seen.values).toEqual([{ next, seen: 9 }]);
  });

  test('is that of a raw call; raw calls that cannot be followed are ignored', () => {
    const { begin, revision, sent } = setUp();
    const seen = begin('a');
    const raw = (path: string): Rpc<string, unknown> => ({
      name: `POST ${path}`,
      path,
      safety: 'write',
      request: { kind: undefined, write: (text) => text },
      response: { read: (json) => json, explain: () => [] },
    });
    const depth = 100_000;
    const deep = '{"success":[{"request_txn":'.repeat(depth) + '{}' + '}]}'.repeat(depth);
    sent(raw('/kv/txn'), deep).answered(at(6));
    sent(raw('/kv/put'), 'no JSON').answered(at(6));
    sent(raw('/auth/enable'), '{}').answered(at(6));
    sent(raw('/kv/put'), '{"key":"YQ=="}').answered(at(7));
    revision.next(9);
    expect(seen.values).toEqual([{ next: 7, seen: 9 }]);
  });

  test('is read from the store after a lock of lockService, which may respond long after it put its key', () => {
    const { begin, revision, sent } = setUp(6);
    const seen = begin('l/1');
    sent<RequestOf<typeof lockRpcs.lock>, ResponseOf<typeof lockRpcs.lock>>(lockRpcs.lock, { name: 'l' }).answered({ ...at(8), key: btoa('l/1') }); // prettier-ignore
    revision.next(9);
    expect(seen.values).toEqual([{ next: 6, seen: 9 }]);
  });
});

describe('a campaign by electionService, by a client that has seen no revision yet', () => {
  test.each([
    ['put its key', 7, 7],
    ['found its key', 3, 10],
  ])('starts a watch after the existing events if it %s', (_, rev, next) => {
    const { begin, writes, revision } = setUp(3);
    const seen = begin('e/1');
    const request = { name: 'e', value: '' };
    const pending = writes.begun(electionRpcs.campaign, request, 0);
    const leader = { name: btoa('e'), key: btoa('e/1'), rev: String(rev), lease: '1' };
    writes.responded(electionRpcs.campaign, request, answer(electionRpcs.campaign, { ...at(7), leader }), pending);
    revision.next(9);
    expect(seen.values).toEqual([{ next, seen: 9 }]);
  });
});

test('no write is followed when no watch begins, and none is kept afterwards', () => {
  const { begin, put, writes } = setUp();
  expect(put('a').pending).toBeUndefined();
  const seen = begin('a');
  expect(put('a').pending).toBeDefined();
  seen.leave();
  expect(put('a').pending).toBeUndefined();
  expect(watching(new ScopedOwnWrites(writes, {} as Caller).startOf({ key: 'a' }, () => NEVER).find()).values).toEqual([]);
});
