import { describe, expect, test } from '@jest/globals';
import { BehaviorSubject, EMPTY, of, Subject } from 'rxjs';
import { EtcdError, InvalidValueError } from '../../../../src/errors/index.js';
import type { ConnectionState } from '../../../../src/watch/streams/connectionState.js';
import { viewState, type Reading, type ViewState } from '../../../../src/watch/live/live.js';
import { watching } from '../support.js';

const connected: ConnectionState = { status: 'connected', endpoint: 'http://a:1', transport: 'websocket' };
const cut = new EtcdError('ConnectionLost', 'cut');
const refused = new EtcdError('Unreachable', 'refused');
const reconnecting = (cause: EtcdError): ConnectionState => ({ status: 'reconnecting', cause, retryInMs: 50 });

function setUp(initial: ConnectionState = connected) {
  const readings = new Subject<Reading<string>>();
  const connection = new BehaviorSubject<ConnectionState>(initial);
  return { readings, connection, seen: watching(viewState(readings, connection)) };
}

/** The states since the beginning, with a word and a value each. */
const words = ({ values }: { readonly values: readonly ViewState<string>[] }): string[] =>
  values.map(({ status, value, error }) =>
    [status, value, error instanceof EtcdError ? error.reason : error].filter((part) => part !== undefined).join(' '),
  );

describe('a view', () => {
  test('is loading synchronously, before anything is known', () => {
    expect(setUp().seen.values).toEqual([{ status: 'loading', value: undefined, error: undefined }]);
  });

  test('starts with the value if it is known already', () => {
    expect(words(watching(viewState(of({ value: 'a' }), new BehaviorSubject(connected))))).toEqual(['live a']);
  });

  test('is live with each value', () => {
    const { readings, seen } = setUp();
    readings.next({ value: 'a' });
    readings.next({ value: 'b' });
    expect(words(seen)).toEqual(['loading', 'live a', 'live b']);
  });

  test('is stale with the cause while the connection is lost, and then live again with the same value', () => {
    const { readings, connection, seen } = setUp();
    readings.next({ value: 'a' });
    connection.next(reconnecting(cut));
    connection.next(reconnecting(refused));
    connection.next(connected);
    expect(words(seen)).toEqual(['loading', 'live a', 'stale a ConnectionLost', 'stale a Unreachable', 'live a']);
  });

  test('stays stale between a watch whose history is lost and the next list', () => {
    const { readings, connection, seen } = setUp();
    readings.next({ value: 'a' });
    for (const state of [reconnecting(cut), { status: 'idle' } as const]) connection.next(state);
    readings.next({ value: 'b' });
    for (const state of [{ status: 'connecting' } as const, connected]) connection.next(state);
    expect(words(seen)).toEqual(['loading', 'live a', 'stale a ConnectionLost', 'live b']);
  });

  test('is stale with the cause while the history is lost, in any state of the connection', () => {
    const { readings, connection, seen } = setUp();
    readings.next({ value: 'a' });
    readings.next({ value: 'a', cameWith: connected, lost: new EtcdError('Compacted', 'gone') });
    for (const state of [{ status: 'idle' } as const, reconnecting(cut), connected]) connection.next(state);
    readings.next({ value: 'b' });
    expect(words(seen)).toEqual(['loading', 'live a', 'stale a Compacted', 'stale a ConnectionLost', 'stale a Compacted', 'live b']);
  });

  test('is live with a value that arrives while the client connects', () => {
    const { readings, connection, seen } = setUp(reconnecting(cut));
    readings.next({ value: 'a' });
    connection.next(connected);
    readings.next({ value: 'b' });
    connection.next(reconnecting(refused));
    expect(words(seen)).toEqual(['loading ConnectionLost', 'live a', 'live b', 'stale b Unreachable']);
  });

  test('is stale with a value from before the connection was lost', () => {
    const { readings, connection, seen } = setUp(reconnecting(cut));
    readings.next({ value: 'a', cameWith: connected });
    connection.next(connected);
    expect(words(seen)).toEqual(['loading ConnectionLost', 'stale a ConnectionLost', 'live a']);
  });

  test('is never live with a value older than the newest revision that its client knows', () => {
    const { readings, connection, seen } = setUp();
    readings.next({ value: 'a', old: true });
    expect(words(seen)).toEqual(['loading']);
    connection.next(reconnecting(cut));
    expect(words(seen)).toEqual(['loading', 'stale a ConnectionLost']);
    connection.next(connected);
    readings.next({ value: 'b', old: true });
    readings.next({ value: 'c' });
    expect(words(seen)).toEqual(['loading', 'stale a ConnectionLost', 'live c']);
  });

  test('keeps the last valid value beside the error of an invalid one', () => {
    const { readings, seen } = setUp();
    readings.next({ value: 'a' });
    readings.next({ invalid: new InvalidValueError('k', ['it is not JSON']) });
    readings.next({ value: 'b' });
    expect(words(seen)).toEqual(['loading', 'live a', 'invalid a InvalidValue', 'live b']);
  });

  test('is loading with the cause while there is no value, and does not call an invalid value stale', () => {
    const { readings, connection, seen } = setUp();
    connection.next(reconnecting(cut));
    connection.next(connected);
    readings.next({ invalid: new InvalidValueError('k', ['it is not JSON']) });
    connection.next(reconnecting(refused));
    expect(words(seen)).toEqual(['loading', 'loading ConnectionLost', 'loading', 'invalid InvalidValue']);
  });

  test('shows a failure with its error and the last value, and does not error', () => {
    const { readings, connection, seen } = setUp();
    readings.next({ value: 'a' });
    readings.error(new EtcdError('PermissionDenied', 'no'));
    connection.next(reconnecting(cut));
    expect(words(seen)).toEqual(['loading', 'live a', 'failed a PermissionDenied']);
    expect(seen.errors).toEqual([]);
  });

  test('converts any error to an EtcdError', () => {
    const { readings, seen } = setUp();
    readings.error('oops');
    expect(seen.values.at(-1)).toMatchObject({ status: 'failed', error: { reason: 'Unknown', message: 'oops' } });
  });

  test('is a new object each time, for change detection by identity', () => {
    const { readings, connection, seen } = setUp();
    readings.next({ value: 'a' });
    for (const state of [reconnecting(cut), connected, reconnecting(cut), connected]) connection.next(state);
    readings.next({ value: 'a' });
    expect(new Set(seen.values).size).toBe(seen.values.length);
    expect(seen.values).toHaveLength(7);
  });

  test('is not emitted again without a change', () => {
    const { readings, connection, seen } = setUp();
    readings.next({ value: 'a' });
    connection.next({ ...connected, endpoint: 'http://b:1' });
    connection.next({ status: 'idle' });
    expect(words(seen)).toEqual(['loading', 'live a']);
  });

  test('of a closed client emits once, and completes', () => {
    const closed = watching(viewState<string>(EMPTY, of({ status: 'closed' })));
    expect([words(closed), closed.completed]).toEqual([['loading'], true]);
  });

  test('completes with the client', () => {
    const { readings, connection, seen } = setUp();
    readings.complete();
    connection.next({ status: 'closed' });
    connection.complete();
    expect(seen.completed).toBe(true);
  });
});
