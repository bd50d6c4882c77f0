import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import {
  asyncScheduler,
  BehaviorSubject,
  concat,
  defer,
  finalize,
  identity,
  map,
  NEVER,
  of,
  switchMap,
  take,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { INVALID } from '../../../src/codec/descriptors.js';
import { CompactedError, EtcdError, type Reason } from '../../../src/errors/index.js';
import type { ClusterId } from '../../../src/model/ids.js';
import type { WatchBatch } from '../../../src/model/events.js';
import type { Caller } from '../../../src/transport/call.js';
import { Pacer } from '../../../src/util/time.js';
import type { DuplexPart } from '../../../src/transport/http/transport.js';
import { chunkedStream } from '../../../src/watch/streams/chunkedStream.js';
import { createWatchStreams } from '../../../src/watch/streams/duplexStream.js';
import type { ConnectionState } from '../../../src/watch/streams/connectionState.js';
import { type WatcherDeps, observeWatcher } from '../../../src/watch/watcher.js';
import type { WatchMessage } from '../../../src/watch/messages.js';
import { put } from '../../operators/support.js';
import { runInVirtualTime, watching, type Seen } from './support.js';
import { idleActivity } from '../../support/fakes/fakeActivity.js';
import { overJson } from '../../support/fakes/overJson.js';

const settings = { heartbeatMs: 10_000, responseTimeoutMs: 5_000, initialBackoffMs: 100, maxBackoffMs: 1_600 };
const fails = (reason: Reason): Observable<never> => throwError(() => new EtcdError(reason, 'scripted'));
const connected = { status: 'connected', endpoint: 'http://a:1', transport: 'websocket' } as const;
const created = { type: 'created', clusterId: '1' as ClusterId, revision: 7, lacksDeletes: false, connected } as const;
const served: Observable<WatchMessage> = concat(of(created), NEVER);
const noCalls = (): never => { throw new Error('this test has no such calls'); }; // prettier-ignore

/** A watch whose attempts, and the reads between them, follow a script; its last step repeats. */
function setUp(tries: readonly Observable<WatchMessage>[], reads: readonly (Reason | undefined)[], readMs = 0, seen = 0) {
  const calls: string[] = [];
  const starts: number[] = [];
  const scripted = <T>(what: string, script: readonly T[]): T | undefined => {
    const before = calls.filter((call) => call === what).length;
    calls.push(what);
    return script[Math.min(before, script.length - 1)];
  };
  const caller: Caller = {
    unary: (rpc) =>
      defer(() => {
        const reason = scripted('read', reads);
        if (reason !== undefined) return fails(reason);
        const answer = rpc.response.read({ header: { revision: '7' } });
        if (answer === INVALID) return fails('MalformedResponse');
        return readMs === 0 ? of(answer) : timer(readMs).pipe(map(() => answer));
      }),
    stream: noCalls,
    get: noCalls,
    channel: noCalls,
  };
  const streams: WatcherDeps['streams'] = {
    attach: (user) =>
      user.next({
        requestProgress: () => undefined,
        watch: (_, startRevision) =>
          defer(() => {
            starts.push(startRevision);
            return scripted('create', tries) ?? NEVER;
          }),
      }),
    detach: () => undefined,
    retain: () => undefined,
    release: () => undefined,
    track: identity,
    state: new BehaviorSubject<ConnectionState>({ status: 'idle' }),
    reportRetry: () => undefined,
    pacer: new Pacer(),
  };
  const source = observeWatcher({ key: 'a', filter: {} }, { next: 5, seen }, { caller, streams, settings });
  return { calls, starts, source, watch: () => watching(source) };
}

const denied = fails('PermissionDenied');

beforeEach(() => {
  // Without the random part, pauses are whole numbers.
  jest.spyOn(Math, 'random').mockReturnValue(1);
});
afterEach(() => {
  jest.restoreAllMocks();
});

describe('a watch that is denied, as etcd 3.3 also reports for a discarded token,', () => {
  test('is created again after a read that fetched another token, even after retries', () => {
    runInVirtualTime(({ flush }) => {
      const { calls, watch } = setUp([denied, served], ['Unreachable', 'Unreachable', undefined]);
      const seen = watch();
      timer(1_000).subscribe(() => seen.leave());
      flush();
      expect(calls).toEqual(['create', 'read', 'read', 'read', 'create']);
      expect([seen.values, seen.errors]).toEqual([[{ type: 'progress', revision: 4, events: [] }], []]);
    });
  });

  test('is created again although the read got no token', () => {
    runInVirtualTime(({ flush }) => {
      const { calls, watch } = setUp([denied, served], Array(5).fill('InvalidAuthToken'));
      const seen = watch();
      timer(10_000).subscribe(() => seen.leave());
      flush();
      expect([calls.at(-1), seen.values.length, seen.errors]).toEqual(['create', 1, []]);
    });
  });

  test('ends if the read is denied as well', () => {
    runInVirtualTime(({ flush }) => {
      const { calls, watch } = setUp([denied], ['PermissionDenied']);
      const seen = watch();
      flush();
      expect(calls).toEqual(['create', 'read']);
      expect(seen.errors).toMatchObject([{ reason: 'PermissionDenied' }]);
    });
  });

  test('ends if it is denied repeatedly, even if a read of its first key succeeds', () => {
    runInVirtualTime(({ flush }) => {
      const { calls, watch } = setUp([denied], [undefined]);
      const seen = watch();
      flush();
      expect(calls.filter((call) => call === 'create')).toHaveLength(5);
      expect(seen.errors).toMatchObject([{ reason: 'PermissionDenied' }]);
    });
  });

  test('has all attempts again after it was served in between', () => {
    runInVirtualTime(({ flush }) => {
      const broken = concat(of(created), fails('Unreachable'));
      const { watch } = setUp([denied, denied, denied, broken, denied, denied, denied, served], [undefined]);
      const seen = watch();
      timer(10_000).subscribe(() => seen.leave());
      flush();
      expect(seen.errors).toEqual([]);
      expect(seen.values).toHaveLength(1);
    });
  });
});

describe('a watch that the server ends for an unknown reason', () => {
  const unknown = throwError(() => new EtcdError('Unknown', 'mvcc: the stars stand badly', { code: 'Canceled' }));
  const endedAfter = (ms: number): Observable<WatchMessage> => concat(of(created), timer(ms).pipe(switchMap(() => unknown)));
  const news: WatchMessage = { type: 'notification', events: [put('a', '', 6)], fragment: false };

  test.each([
    ['on its creation', unknown],
    ['right after it was created', endedAfter(1)],
  ])('%s, ends after a few attempts, with pauses between them', (_, ended) => {
    runInVirtualTime(({ flush }) => {
      const { calls, watch } = setUp([ended], [undefined]);
      const seen = watch();
      flush();
      expect(calls).toEqual(Array(5).fill('create'));
      expect(seen.errors).toMatchObject([{ reason: 'Unknown', message: expect.stringContaining('the stars') }]);
      expect(asyncScheduler.now()).toBeGreaterThanOrEqual(100 + 200 + 400 + 800);
    });
  });

  test.each([
    ['it emitted an event in between', concat(of(created, news), unknown)],
    ['it was open for a minute in between', endedAfter(60_001)],
  ])('resumes if %s', (_, ended) => {
    runInVirtualTime(({ flush }) => {
      const { calls, watch } = setUp([...Array<typeof ended>(20).fill(ended), served], [undefined]);
      const seen = watch();
      timer(40 * 60_000).subscribe(() => seen.leave());
      flush();
      expect(calls.filter((call) => call === 'create')).toHaveLength(21);
      expect(seen.errors).toEqual([]);
    });
  });
});

describe('a watch on a server that may have compacted the deletes of its next revision', () => {
  const lacking = (revision: number): WatchMessage => ({ ...created, revision, lacksDeletes: true });
  const news = (...revisions: number[]): WatchMessage => ({
    type: 'notification',
    events: revisions.map((revision) => put('a', '', revision)),
    fragment: false,
  });
  const compacted = throwError(() => new CompactedError('scripted', { compactRevision: 5 }));
  /** Runs the attempts, and returns their start revisions, and the reports of the watch. */
  const run = (tries: readonly Observable<WatchMessage>[], seenRevision: number) =>
    runInVirtualTime(({ flush }) => {
      const { starts, watch } = setUp(tries, [undefined], 0, seenRevision);
      const seen = watch();
      timer(1_000).subscribe(() => seen.leave());
      flush();
      return { starts, reports: seen.values.map(({ type, revision }) => `${type} ${revision}`), errors: seen.errors };
    });
  const on = (...messages: WatchMessage[]): Observable<WatchMessage> => concat(of(...messages), NEVER);

  test('is created one revision earlier if the store has that revision, and emits nothing twice', () => {
    expect(run([on(lacking(7), news(6)), on(lacking(7), news(4, 5, 6))], 4)).toEqual({
      starts: [5, 4],
      reports: ['progress 4', 'events 5', 'events 6'],
      errors: [],
    });
  });

  test('fails with Compacted if the history is compacted at that revision', () => {
    const { starts, reports, errors } = run([on(lacking(7), news(6)), concat(of(lacking(7)), compacted)], 4);
    expect([starts, reports]).toEqual([[5, 4], ['progress 4']]);
    expect(errors).toMatchObject([{ reason: 'Compacted' }]);
  });

  test.each([
    ['the store has not reached that revision', lacking(4), 4],
    ['the server keeps deletes', { ...created, lacksDeletes: false }, 4],
    ['its user chose that revision', lacking(7), 0],
  ])('is created once if %s', (_, answer, seenRevision) => {
    expect(run([on(answer, news(5))], seenRevision)).toEqual({ starts: [5], reports: ['progress 4', 'events 5'], errors: [] });
  });

  test('is created one revision earlier when it resumes, for any start revision', () => {
    const broken = concat(of(lacking(7), news(5)), fails('Unreachable'));
    expect(run([broken, on(lacking(7), news(7)), on(lacking(7), news(5, 6, 7))], 0)).toEqual({
      starts: [5, 6, 5],
      reports: ['progress 4', 'events 5', 'events 6', 'events 7'],
      errors: [],
    });
  });
});

describe('a watch that resumes at a store that seems to be behind', () => {
  const news = (revision: number): WatchMessage => ({ type: 'notification', events: [put('a', '', revision)], fragment: false });
  const behind: WatchMessage = { ...created, revision: 3 };
  /**
   * It has seen revision 7, and then reaches a member at revision 3, which has an event before the cluster has reported
   * its revision.
   */
  const cut = concat(of(created, news(7)), fails('Unreachable'));
  const lines = ({ values }: Seen<WatchBatch>): string[] => values.map(({ type, revision }) => `${type} ${revision}`);

  test('emits the buffered events in order once the store is known to be the same', () => {
    runInVirtualTime(({ flush }) => {
      const { watch } = setUp([cut, concat(of(behind, news(8), news(9)), timer(50).pipe(map(() => news(10))), NEVER)], [undefined], 100);
      const seen = watch();
      timer(1_000).subscribe(() => seen.leave());
      timer(199).subscribe(() => expect(lines(seen)).toEqual(['progress 4', 'events 7']));
      flush();
      expect([lines(seen), seen.errors]).toEqual([['progress 4', 'events 7', 'events 8', 'events 9', 'events 10'], []]);
    });
  });

  test('sends no further request when it is unsubscribed meanwhile', () => {
    runInVirtualTime(({ flush }) => {
      const { calls, watch } = setUp([cut, concat(of(behind, news(8)), NEVER)], ['Unreachable'], 100);
      const seen = watch();
      timer(150).subscribe(() => seen.leave());
      flush();
      expect([calls, lines(seen)]).toEqual([
        ['create', 'create', 'read'],
        ['progress 4', 'events 7'],
      ]);
      expect(asyncScheduler.now()).toBe(150);
    });
  });
});

test('a watch that reaches another cluster ends, even if a cluster in between did not identify itself', () => {
  runInVirtualTime(({ flush }) => {
    const cutIn = (clusterId: string): Observable<WatchMessage> =>
      concat(timer(1).pipe(map(() => ({ ...created, clusterId: clusterId as ClusterId }))), fails('Unreachable'));
    const { calls, watch } = setUp(['0', '1', '0', '2', '3'].map(cutIn), [undefined]);
    const seen = watch();
    flush();
    const message: unknown = expect.stringContaining('the cluster id changed from 1 to 2');
    expect(seen.errors).toEqual([expect.objectContaining({ reason: 'ClusterIDMismatch', message })]);
    expect(calls).toEqual(['create', 'create', 'create', 'create']);
  });
});

test('a watch that is unsubscribed while it emits a batch is canceled at the server', () => {
  let cancelled = 0;
  const endless = concat(of(created), NEVER).pipe(finalize(() => (cancelled += 1)));
  const { source } = setUp([endless], [undefined]);
  expect(watching(source.pipe(take(1))).completed).toBe(true);
  expect(cancelled).toBe(1);
});

test('a watch that is unsubscribed during the loss of its stream is not created again', () => {
  runInVirtualTime(({ flush }) => {
    const creates: number[] = [];
    let open = 0;
    const channel: Caller['channel'] = (rpc) =>
      defer(() => {
        const nth = creates.push(0) - 1;
        // As the user's function for tokens may, which is called before a stream is opened.
        if (nth === 1) second.leave();
        const opened: DuplexPart = { type: 'open', send: () => creates.splice(nth, 1, (creates[nth] ?? 0) + 1) };
        // The second one ends all that are still subscribed by then.
        const end =
          nth === 0 ? timer(1).pipe(switchMap(() => fails('ConnectionLost'))) : timer(100).pipe(switchMap(() => throwError(Error)));
        const duplex = defer(() => ((open += 1), concat(of(opened), end))).pipe(finalize(() => (open -= 1)));
        const terms = { transport: 'http2', endpoint: 'http://a:1', version: undefined } as const;
        return of({
          ...terms,
          duplex: () => overJson(rpc, duplex),
          removed: NEVER,
          activity: idleActivity,
          responded: () => undefined,
          failed: () => true,
        });
      });
    const caller: Caller = { unary: noCalls, stream: noCalls, get: noCalls, channel };
    // As in a program that was busy in the meantime, the pause is over.
    const means = { caller, streams: createWatchStreams(caller, { ...settings, initialBackoffMs: 0 }, chunkedStream), settings };
    const watch = (key: string): Seen<WatchBatch> => watching(observeWatcher({ key, filter: {} }, { next: 5, seen: 0 }, means));
    const first = watch('a');
    const second = watch('b');
    timer(50).subscribe(() => first.leave());
    flush();
    expect([creates, open]).toEqual([[2, 1], 0]);
  });
});
