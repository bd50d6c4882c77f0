import { describe, expect, test } from '@jest/globals';
import { map, Observable, switchMap, timer } from 'rxjs';
import { lockRpcs } from '../../../src/codec/concurrency.js';
import { hasReason } from '../../../src/errors/index.js';
import { leaseId } from '../../../src/model/ids.js';
import {
  A,
  after,
  callerOf,
  get,
  header,
  inTurn,
  outcome,
  put,
  queued,
  reply,
  scriptedTransport,
  settle,
  silent,
  type Script,
  unreachable,
} from '../../support/fakes/fakeTransport.js';

/**
 * Serves one request after the other, each in this many milliseconds, or later. After some requests it sends no
 * response.
 */
function oneAtATime(ms: number, answers = Infinity, late: Readonly<Record<number, number>> = {}): Script {
  const waiting: (() => void)[] = [];
  let busy = false;
  let left = answers;
  let served = 0;
  const next = (): void => {
    const begin = waiting.shift();
    busy = begin !== undefined;
    begin?.();
  };
  return ({ onSent, onReceived }) =>
    new Observable((subscriber) => {
      waiting.push(() => {
        if (subscriber.closed) return next();
        onSent?.();
        if (left-- <= 0) return subscriber.add(next);
        subscriber.add(
          timer(late[(served += 1)] ?? ms)
            .pipe(map(() => ({ status: 200, body: JSON.stringify({ header }) })))
            .subscribe((response) => {
              onReceived?.();
              subscriber.next(response);
              subscriber.complete();
              next();
            }),
        );
      });
      if (!busy) next();
    });
}

const many = (count: number, call: () => Observable<string>): Observable<string>[] => Array.from({ length: count }, call);

describe('a call that waits for a connection', () => {
  test.each([
    ['a write', put],
    ['a read', get],
  ])('does not spend its deadline while the endpoint completes other calls: %s', (_, call) => {
    const caller = callerOf(scriptedTransport(oneAtATime(10)), { requestTimeoutMs: 100 });
    const ends = settle(...many(500, () => call(caller)));
    expect(ends.filter(({ outcome: seen }) => seen === 'ok')).toHaveLength(500);
    expect(Math.max(...ends.map(({ at }) => at))).toBeGreaterThan(4_000);
  });

  test.each([
    ['a write', put],
    ['a read', get],
  ])('has its whole deadline also where the endpoint stalled for a time: %s', (_, call) => {
    const stalling = oneAtATime(10, Infinity, { 30: 80 });
    const caller = callerOf(scriptedTransport(stalling), { requestTimeoutMs: 100, attemptTimeoutMs: 50 });
    const ends = settle(...many(90, () => call(caller)));
    expect(ends.filter(({ outcome: seen }) => seen === 'ok')).toHaveLength(90);
  });

  test('has its whole deadline from its request on', () => {
    const script = oneAtATime(10, 50);
    const caller = callerOf(scriptedTransport(script), { requestTimeoutMs: 100 });
    const ends = settle(...many(51, () => put(caller)));
    expect(ends.at(-1)).toMatchObject({ outcome: 'AmbiguousWrite' });
    // The version takes a millisecond; its wait of half a second does not count for the call.
    expect(ends.at(-1)?.at).toBeGreaterThanOrEqual(599);
    expect(ends.at(-1)?.at).toBeLessThanOrEqual(602);
  });

  test('has its whole deadline if it is sent when the deadlines of the other calls expire', () => {
    const caller = callerOf(scriptedTransport(oneAtATime(10, 20)), { requestTimeoutMs: 100, attemptTimeoutMs: 12 });
    // The calls begin one after the other, so that their deadlines expire in different turns.
    const ends = settle(...Array.from({ length: 300 }, (_, index) => after(index / 10, () => put(caller))));
    const sent = ends.filter(({ outcome: seen }) => seen === 'AmbiguousWrite').map(({ at }) => at);
    expect(sent.length).toBeGreaterThan(1);
    // There is one connection: each of them is sent when the one before has ended.
    const gaps = sent.slice(1).map((at, index) => at - (sent[index] ?? NaN));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(100);
  });

  test.each([
    ['a write', put],
    ['a read', get],
  ])('fails within two deadlines after the last served call of the endpoint, if it was not sent by then: %s', (_, call) => {
    const caller = callerOf(scriptedTransport(oneAtATime(10, 20)), { requestTimeoutMs: 100 });
    const ends = settle(...many(300, () => call(caller)));
    const failed = ends.filter(({ outcome: seen }) => seen !== 'ok');
    expect(failed).toHaveLength(280);
    // A connection becomes free when its call ends: each time one more call is sent, with a separate deadline.
    const sent = failed.filter(({ error }) => !String(error).includes('no connection was free'));
    expect(sent.length).toBeLessThanOrEqual(3);
    expect(Math.max(...sent.map(({ at }) => at))).toBeLessThanOrEqual(201 + 300);
    expect(Math.max(...failed.filter((end) => !sent.includes(end)).map(({ at }) => at))).toBeLessThanOrEqual(201 + 200);
  });

  test('fails at its deadline if the endpoint serves no call, and reports that it was not sent', () => {
    const caller = callerOf(scriptedTransport(queued), { requestTimeoutMs: 100 });
    const [end] = settle(put(caller));
    expect(end).toMatchObject({ outcome: 'DeadlineExceeded', at: 100 });
    expect(hasReason(end?.error, 'DeadlineExceeded') && end.error.message).toContain(
      'no response within 100 ms, and no connection was free to send the call',
    );
  });

  test('fails at its deadline, although calls that wait at the server get responses on other connections', () => {
    const transport = scriptedTransport((request) => (request.path.endsWith('/lock/lock') ? reply(200) : queued)(request));
    const caller = callerOf(transport, { requestTimeoutMs: 100 });
    const lock = (): Observable<string> => caller.unary(lockRpcs.lock, { name: 'a', lease: leaseId(1) }).pipe(map(() => 'locked'));
    const locks = Array.from({ length: 50 }, (_, index) => after(index * 10, lock));
    const [waiting, ...rest] = settle(put(caller), ...locks);
    expect(waiting).toMatchObject({ outcome: 'DeadlineExceeded', at: 100 });
    expect(rest.every(({ outcome: seen }) => seen === 'locked')).toBe(true);
  });

  test('gets another connection after attemptTimeoutMs, although other connections get responses', () => {
    const transport = scriptedTransport((request) => (request.path.endsWith('/lock/lock') ? reply(200) : queued)(request));
    const caller = callerOf(transport, { requestTimeoutMs: 400, attemptTimeoutMs: 100 });
    const lock = (): Observable<string> => caller.unary(lockRpcs.lock, { name: 'a', lease: leaseId(1) }).pipe(map(() => 'locked'));
    settle(put(caller), ...Array.from({ length: 30 }, (_, index) => after(index * 10, lock)));
    expect(transport.released).toEqual([A]);
  });

  test('has its whole deadline if an attempt failed before, without being sent', () => {
    const late: Script = (request) => timer(250).pipe(switchMap(() => unreachable(request)));
    const caller = callerOf(scriptedTransport(inTurn(late, reply(200, { header }, 350))), { requestTimeoutMs: 400 });
    const [end] = settle(put(caller));
    expect(end?.outcome).toBe('ok');
    expect(end?.at).toBeGreaterThan(600);
  });

  test('fails when its signal is aborted', () => {
    const caller = callerOf(scriptedTransport(oneAtATime(10)), { requestTimeoutMs: 100 });
    const controller = new AbortController();
    const ends = settle(
      ...many(100, () => put(caller)),
      put(caller, { signal: controller.signal }),
      timer(200).pipe(map(() => (controller.abort(), 'aborted'))),
    );
    expect(ends[100]).toMatchObject({ outcome: 'Aborted', at: 200 });
  });
});

describe('maxPendingCalls', () => {
  test('rejects one more call at once, with the number of waiting calls and a remedy', () => {
    const transport = scriptedTransport(queued);
    const caller = callerOf(transport, { requestTimeoutMs: 100, maxPendingCalls: 10 });
    const ends = settle(...many(12, () => put(caller)));
    expect(ends.slice(0, 10).every(({ outcome: seen, at }) => seen === 'DeadlineExceeded' && at === 100)).toBe(true);
    expect(ends.slice(10)).toMatchObject([
      { outcome: 'TooManyPending', at: 0 },
      { outcome: 'TooManyPending', at: 0 },
    ]);
    expect(String(ends[11]?.error)).toContain(
      '10 calls wait to be sent, and maxPendingCalls is 10; start fewer calls at a time, or raise maxPendingCalls',
    );
    expect(transport.posts).toHaveLength(10);
  });

  test('counts no call that was sent, completed, ended by its deadline or unsubscribed', () => {
    const sent = callerOf(scriptedTransport(silent), { requestTimeoutMs: 1_000, maxPendingCalls: 1 });
    const ends = settle(...[0, 10, 20].map((ms) => after(ms, () => put(sent))));
    expect(ends.map(({ outcome: seen }) => seen)).toEqual(['AmbiguousWrite', 'AmbiguousWrite', 'AmbiguousWrite']);

    const answered = callerOf(scriptedTransport(reply(200)), { maxPendingCalls: 1 });
    expect(settle(...[0, 10, 20].map((ms) => after(ms, () => put(answered)))).map(({ outcome: seen }) => seen)).toEqual(['ok', 'ok', 'ok']);

    const waiting = callerOf(scriptedTransport(queued), { requestTimeoutMs: 50, maxPendingCalls: 1 });
    const left = put(waiting).subscribe({ error: (error: unknown) => expect(outcome(error)).toBe('unsubscribed') });
    left.unsubscribe();
    expect(settle(...[0, 60].map((ms) => after(ms, () => put(waiting)))).map(({ outcome: seen }) => seen)).toEqual([
      'DeadlineExceeded',
      'DeadlineExceeded',
    ]);
  });

  test('does not reject the call that gets a token, for which the others wait', () => {
    const script: Script = (request) =>
      reply(200, request.path.endsWith('/auth/authenticate') ? { header, token: 'abc' } : { header }, 5)(request);
    const caller = callerOf(scriptedTransport(script), { maxPendingCalls: 3, auth: { username: 'a', password: 'b' } });
    expect(settle(...many(4, () => put(caller))).map(({ outcome: seen }) => seen)).toEqual(['ok', 'ok', 'ok', 'TooManyPending']);
  });
});
