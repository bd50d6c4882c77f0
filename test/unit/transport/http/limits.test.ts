import { describe, expect, test } from '@jest/globals';
import { expand, lastValueFrom, map, of, retry, take, timer } from 'rxjs';
import {
  after,
  callerOf,
  get,
  inTurn,
  put,
  queued,
  refuse,
  reply,
  scriptedTransport,
  settle,
  silent,
  header,
  unreachable,
  type Script,
} from '../../../support/fakes/fakeTransport.js';

describe('the deadline of a call', () => {
  // The deadline of a call counts from its request, which follows the response to the request for the version.
  test.each<[string, Script, typeof get, string, number]>([
    ['a read that was sent', silent, get, 'DeadlineExceeded', 1],
    ['a read that waits for a connection', queued, get, 'DeadlineExceeded', 0],
    ['a write that was sent', silent, put, 'AmbiguousWrite', 1],
    ['a write that waits for a connection', queued, put, 'DeadlineExceeded', 0],
  ])('ends %s, by the option of the client or of the call', (_, script, call, reason, sentAt) => {
    const transport = scriptedTransport(script);
    const caller = callerOf(transport, { requestTimeoutMs: 500 });
    expect(settle(...[call(caller), call(caller, { timeoutMs: 70 }), call(caller, { timeoutMs: 900 })])).toMatchObject([
      { outcome: reason, at: sentAt + 500 },
      { outcome: reason, at: sentAt + 70 },
      { outcome: reason, at: sentAt + 900 },
    ]);
    expect(transport.live).toBe(0);
  });

  test('is not set for a subscriber that has unsubscribed: nothing is sent', async () => {
    const transport = scriptedTransport(silent);
    const caller = callerOf(transport);
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    // `expand` subscribes to the next Observable although `take` is complete.
    const pages = of<unknown>('page').pipe(
      expand(() => get(caller)),
      take(1),
    );
    expect(await lastValueFrom(pages)).toBe('page');
    expect(timers()).toBe(before);
    expect([...transport.posts, ...transport.checks]).toEqual([]);
  });

  test('covers all attempts, and the pauses between them', () => {
    const transport = scriptedTransport(unreachable);
    const caller = callerOf(transport, { requestTimeoutMs: 60 });
    expect(settle(...[put(caller)])).toMatchObject([{ outcome: 'DeadlineExceeded', at: 60 }]);
  });

  test.each([
    ['a write', put],
    ['a read', get],
  ])('does not include the request for the version: %s', (_, call) => {
    const transport = scriptedTransport(reply(200, { header }, 80), reply(200, { etcdserver: '3.5.0' }, 80));
    expect(settle(call(callerOf(transport, { requestTimeoutMs: 100 })))).toMatchObject([{ outcome: 'ok', at: 160 }]);
  });

  test('may pass during the request for the version: nothing was sent', () => {
    const transport = scriptedTransport(reply(200), silent);
    expect(settle(...[put(callerOf(transport, { requestTimeoutMs: 60 }))])).toMatchObject([{ outcome: 'DeadlineExceeded', at: 60 }]);
    expect(transport.posts).toHaveLength(0);
    expect(transport.live).toBe(0);
  });

  test('ends the call in time, also if the end of one call begins another', () => {
    const caller = callerOf(scriptedTransport(silent), { requestTimeoutMs: 1_000 });
    expect(settle(...[get(caller).pipe(retry(1)), after(5, () => get(caller))])).toMatchObject([
      { outcome: 'DeadlineExceeded', at: 2_000 + 1 },
      { outcome: 'DeadlineExceeded', at: 1_005 },
    ]);
  });

  test('of 24 days or more is ignored', () => {
    const caller = callerOf(scriptedTransport(reply(200, undefined, 60_000)));
    expect(settle(...[get(caller, { timeoutMs: 2 ** 40 }), get(caller, { timeoutMs: Infinity })])).toMatchObject([
      { outcome: 'ok' },
      { outcome: 'ok' },
    ]);
  });

  test.each([0, -1, NaN])('of %p is rejected, and nothing is sent', (timeoutMs) => {
    const transport = scriptedTransport(reply(200));
    expect(settle(...[get(callerOf(transport), { timeoutMs })])).toMatchObject([{ outcome: 'InvalidArgument' }]);
    expect(transport.posts).toHaveLength(0);
  });

  test('leaves no timer when all calls have ended: virtual time stops at once', () => {
    const [result] = settle(...[get(callerOf(scriptedTransport(reply(200))))]);
    expect(result).toMatchObject({ outcome: 'ok', at: 2 });
  });
});

describe('the signal of a call', () => {
  test('that was aborted before ends the call, and nothing is sent', () => {
    const transport = scriptedTransport(reply(200));
    const caller = callerOf(transport);
    const signal = AbortSignal.abort();
    expect(settle(...[get(caller, { signal }), put(caller, { signal })])).toMatchObject([{ outcome: 'Aborted' }, { outcome: 'Aborted' }]);
    expect(transport.posts).toHaveLength(0);
  });

  test('that is aborted during the call fails a read, and a sent write with AmbiguousWrite', () => {
    const controller = new AbortController();
    const { signal } = controller;
    const sent = callerOf(scriptedTransport(silent));
    const waiting = callerOf(scriptedTransport(queued));
    const abort = timer(50).pipe(map(() => (controller.abort(), 'aborted')));
    expect(settle(...[get(sent, { signal }), put(sent, { signal }), put(waiting, { signal }), abort])).toMatchObject([
      { outcome: 'Aborted', at: 50 },
      { outcome: 'AmbiguousWrite', at: 50, error: { cause: { reason: 'Aborted' } } },
      { outcome: 'Aborted', at: 50 },
      { outcome: 'aborted' },
    ]);
  });

  test('loses its listener when the call has ended', () => {
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...given: Parameters<typeof addEventListener>) => (listeners++, addEventListener.apply(signal, given));
    signal.removeEventListener = (...given: Parameters<typeof removeEventListener>) => (
      listeners--,
      removeEventListener.apply(signal, given)
    );
    const caller = callerOf(scriptedTransport(inTurn(reply(200), refuse('etcdserver: permission denied', 7))));
    expect(settle(...[get(caller, { signal }), get(caller, { signal })])).toMatchObject([
      { outcome: 'ok' },
      { outcome: 'PermissionDenied' },
    ]);
    expect(listeners).toBe(0);
  });
});
