import { describe, expect, test } from '@jest/globals';
import { concat, ignoreElements, map, mergeMap, of, timer, type Observable } from 'rxjs';
import { electionRpcs } from '../../../src/codec/concurrency.js';
import { kvRpcs } from '../../../src/codec/kv.js';
import type { Caller, ReadCallOptions } from '../../../src/transport/call.js';
import type { ClosableCaller } from '../../../src/transport/caller.js';
import type { Transport } from '../../../src/transport/http/transport.js';
import { A, after, B, callerOf, header, put, reply, scriptedTransport, settle, type Script } from '../../support/fakes/fakeTransport.js';

/** Responds with a revision, which may change. */
const at =
  (revision: () => number, afterMs = 1): Script =>
  (request) =>
    timer(afterMs).pipe(mergeMap(() => reply(200, { header: { ...header, revision: String(revision()) } }, 0)(request)));

/** A member at each endpoint, with separate revisions. */
function cluster(revisions: Record<string, number>) {
  const transport = scriptedTransport((request) => at(() => revisions[request.origin] ?? 0)(request));
  return { transport, revisions, caller: callerOf(transport, { endpoints: Object.keys(revisions) }) };
}

/** Resolves with the revision of the response to a read. */
const read = (caller: Caller, options: ReadCallOptions = { monotonic: true }): Observable<string> =>
  caller.unary(kvRpcs.range, { key: 'a', serializable: true }, options).pipe(map((answer) => String(answer.header.revision)));

/** Makes the client see this revision, by a read. */
const see = (caller: Caller, endpoint: string): Observable<string> => read(caller, { endpoint });

describe('a monotonic read', () => {
  test('is retried on the next member if one lags behind, which is not set aside', () => {
    const { transport, revisions, caller } = cluster({ [A]: 5, [B]: 9 });
    expect(
      settle(
        see(caller, B),
        after(10, () => read(caller)),
      ),
    ).toMatchObject([{ outcome: '9' }, { outcome: '9' }]);
    revisions[A] = 10;
    const ends = settle(
      read(caller),
      after(10, () => read(caller)),
    );
    expect(ends.map(({ outcome }) => outcome).toSorted()).toEqual(['10', '10']);
    expect(transport.checks).toEqual([]);
  });

  test('waits for a member that is about to catch up', () => {
    const { revisions, caller } = cluster({ [A]: 5 });
    settle(see(caller, A));
    revisions[A] = 4;
    const [end] = settle(read(caller), timer(60).pipe(map(() => String((revisions[A] = 6)))));
    expect(end?.outcome).toBe('6');
    expect(end?.at).toBeGreaterThan(50);
  });

  test('fails with StaleRead if every member lags behind, and reports by how much', () => {
    const { transport, revisions, caller } = cluster({ [A]: 9, [B]: 9 });
    settle(see(caller, A));
    Object.assign(revisions, { [A]: 5, [B]: 5 });
    transport.posts.splice(0);
    expect(settle(read(caller))).toMatchObject([
      {
        outcome: 'StaleRead',
        error: { code: 'Unavailable', rpc: 'KV.Range', message: expect.stringMatching(/revision 5, but the client has seen 9/) },
      },
    ]);
    expect(transport.posts).toHaveLength(4);
  });

  test('retries a chosen endpoint, not every endpoint at once', () => {
    const { revisions, caller } = cluster({ [A]: 9, [B]: 9 });
    settle(see(caller, A));
    revisions[A] = 5;
    const [end] = settle(read(caller, { monotonic: true, endpoint: A }));
    expect(end?.outcome).toBe('StaleRead');
    // 100 + 200 + 400 ms, each times 0.5 to 1.5
    expect(end?.at).toBeGreaterThan(340);
  });

  test('may be older than a concurrent response, as concurrent calls have no order', () => {
    const transport = scriptedTransport((request) => (request.origin === A ? at(() => 5, 100) : at(() => 9))(request));
    const caller = callerOf(transport, { endpoints: [A, B] });
    expect(settle(read(caller, { monotonic: true, endpoint: A }), see(caller, B))).toMatchObject([{ outcome: '5' }, { outcome: '9' }]);
  });

  test('applies only to calls with the option', () => {
    const { revisions, caller } = cluster({ [A]: 9 });
    settle(see(caller, A));
    revisions[A] = 5;
    expect(settle(read(caller, {}), read(caller, { monotonic: false }))).toMatchObject([{ outcome: '5' }, { outcome: '5' }]);
  });

  test('cannot be a write', () => {
    const { transport, caller } = cluster({ [A]: 9 });
    const write = caller.unary(kvRpcs.txn, {}, { monotonic: true }).pipe(map(() => 'ok'));
    expect(settle(write)).toMatchObject([{ outcome: 'InvalidArgument', error: { message: expect.stringContaining('monotonic') } }]);
    expect(transport.posts).toEqual([]);
  });
});

describe('the newest revision that a client has received', () => {
  const ok = map(() => 'ok');
  const say = (revision: number): object => ({ result: { header: { ...header, revision: String(revision) } } });

  test.each<[string, (caller: ClosableCaller) => Observable<string>]>([
    ['the response to a write', (caller) => put(caller)],
    ['a read of one key, whose response has no header for the caller', (caller) => caller.unary(kvRpcs.get, { key: 'a' }).pipe(ok)],
    ['a message of a stream', (caller) => caller.stream(electionRpcs.observe, { name: 'a' }).pipe(ok)],
    ['a message of a bidirectional stream', (caller) => caller.channel(kvRpcs.range).pipe(mergeMap(({ duplex }) => duplex?.() ?? of()), ok)], // prettier-ignore
  ])('includes that of %s', (_, call) => {
    const { transport, revisions, caller } = cluster({ [A]: 9 });
    transport.streams = () => of({ type: 'chunk', bytes: new TextEncoder().encode(JSON.stringify(say(9))) });
    const duplex: Transport['duplex'] = () => concat(timer(1).pipe(ignoreElements()), of({ type: 'message' as const, json: say(9) }));
    Object.assign(transport, { duplex });
    expect(settle(call(caller))).toMatchObject([{ outcome: 'ok' }]);
    revisions[A] = 8;
    expect(settle(read(caller))).toMatchObject([{ outcome: 'StaleRead' }]);
  });
});
