import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { asyncScheduler, concat, map, NEVER, of, Subject, throwError, timer, type Observable } from 'rxjs';
import { CompactedError, EtcdError, type Reason } from '../../../../src/errors/index.js';

import type { ClusterId, MemberId } from '../../../../src/model/ids.js';
import type { KeyValue } from '../../../../src/model/keyValue.js';
import type { RangeResponse } from '../../../../src/model/responses.js';
import type { WatchEvent } from '../../../../src/model/events.js';
import type { Caller } from '../../../../src/transport/call.js';
import { parseVersion } from '../../../../src/transport/endpoints/version.js';
import type { DuplexPart } from '../../../../src/transport/http/transport.js';
import { chunkedStream } from '../../../../src/watch/streams/chunkedStream.js';
import { createWatchStreams } from '../../../../src/watch/streams/duplexStream.js';
import { liveUpdates, type LiveUpdate } from '../../../../src/watch/live/liveRange.js';
import { kv } from '../../../operators/support.js';
import { runInVirtualTime, watching, type Seen } from '../support.js';
import { idleActivity } from '../../../support/fakes/fakeActivity.js';
import { overJson } from '../../../support/fakes/overJson.js';

const settings = { heartbeatMs: 10_000, responseTimeoutMs: 5_000, initialBackoffMs: 100, maxBackoffMs: 1_600 };

/** Only codecs create branded ids, and these tests do not check the ids. */
const ids = { clusterId: '1' as ClusterId, memberId: '1' as MemberId };
const page = (revision: number, ...kvs: KeyValue[]): RangeResponse => ({
  header: { ...ids, revision, raftTerm: 1 },
  kvs,
  more: false,
  count: kvs.length,
});
const fails = (reason: Reason): Observable<never> => throwError(() => new EtcdError(reason, 'scripted'));
const compacted = (): Observable<never> => throwError(() => new CompactedError('scripted', {}));

const shown = ({ type, kv: { key, value }, prevKv }: WatchEvent): string =>
  `${type} ${key}=${value}${prevKv === undefined ? '' : ` was ${prevKv.value}`}`;
const lineOf = ({ type, revision, state, changes }: LiveUpdate): string =>
  [type, revision, [...state].map(([key, { value }]) => `${key}=${value}`).sort().join(' '), ...changes.map(shown)].join(' | '); // prettier-ignore

/**
 * A range whose lists follow a script, whose last entry repeats, and a server that creates every watch and sends what
 * the test decides.
 */
function setUp(...lists: readonly (() => Observable<RangeResponse>)[]) {
  const listedAt: number[] = [];
  const starts: unknown[] = [];
  let down = new Subject<DuplexPart>();
  let watch = -1;
  const say = (more: object): void =>
    down.next({ type: 'message', json: { result: { header: { revision: '99' }, watch_id: String(watch), ...more } } });
  const send = (message: string): void => {
    // The form that `request.ts` writes; cancel and progress requests have no such field.
    const { create_request: create } = JSON.parse(message) as { readonly create_request?: { readonly start_revision: string } };
    if (create === undefined) return;
    starts.push(Number(create.start_revision));
    watch += 1;
    timer(1).subscribe(() => say({ created: true }));
  };
  const never = (): never => { throw new Error('this test has no calls'); }; // prettier-ignore
  const channel: Caller['channel'] = (rpc) => {
    down = new Subject();
    const duplex = overJson(rpc, concat(of<DuplexPart>({ type: 'open', send }), down));
    return of({
      transport: 'http2',
      endpoint: 'http://a:1',
      version: parseVersion('3.5.30'),
      removed: NEVER,
      activity: idleActivity,
      duplex: () => duplex,
      responded: () => undefined,
      failed: () => true,
    });
  };
  const caller: Caller = { unary: never, stream: never, get: never, channel };
  const means = { caller, streams: createWatchStreams(caller, settings, chunkedStream), settings };
  const readPages = (): Observable<RangeResponse> => {
    const list = lists[Math.min(listedAt.length, lists.length - 1)] ?? never;
    listedAt.push(asyncScheduler.now());
    return list();
  };
  return {
    listedAt,
    starts,
    say,
    live: (): Seen<LiveUpdate> => watching(liveUpdates('a', { key: 'a', filter: {} }, readPages, means)),
  };
}
const at = (ms: number, act: () => unknown): void => void timer(ms).subscribe(act);

beforeEach(() => {
  // Without the random part, pauses are whole numbers.
  jest.spyOn(Math, 'random').mockReturnValue(1);
});
afterEach(() => {
  jest.restoreAllMocks();
});

describe('a live range', () => {
  test('is watched from the revision after that of its first page', () => {
    runInVirtualTime(({ flush }) => {
      const { live, starts } = setUp(() => of(page(5, kv('a', '1', 2)), page(8, kv('b', '1', 3))));
      const seen = live();
      at(100, () => seen.leave());
      flush();
      expect(seen.values.map(lineOf)).toEqual(['snapshot | 5 | a=1 b=1']);
      expect(starts).toEqual([6]);
    });
  });

  test('whose list breaks in the middle is listed again, without the part that had arrived', () => {
    runInVirtualTime(({ flush }) => {
      const { live, listedAt, starts } = setUp(
        () => concat(of(page(5, kv('a', '1', 2), kv('gone', '1', 3))), fails('ConnectionLost')),
        () => of(page(9, kv('a', '2', 8))),
      );
      const seen = live();
      at(1_000, () => seen.leave());
      flush();
      expect(seen.values.map(lineOf)).toEqual(['snapshot | 9 | a=2']);
      expect([listedAt, starts]).toEqual([[0, 100], [10]]);
    });
  });

  test('that is compacted while it is listed is listed again, and begins with that list', () => {
    runInVirtualTime(({ flush }) => {
      const { live } = setUp(
        () => concat(of(page(5, kv('gone', '1', 3))), compacted()),
        () => of(page(9, kv('a', '2', 8))),
      );
      const seen = live();
      at(1_000, () => seen.leave());
      flush();
      expect(seen.values.map(lineOf)).toEqual(['snapshot | 9 | a=2']);
    });
  });

  test('whose history is compacted is listed again, emits the changes, and is watched from there', () => {
    runInVirtualTime(({ flush }) => {
      const { live, say, starts } = setUp(
        () => of(page(5, kv('a', '1', 2), kv('b', '1', 3))),
        () => of(page(20, kv('a', '2', 15), kv('c', '1', 16))),
      );
      const seen = live();
      at(100, () => say({ canceled: true, compact_revision: '12' }));
      at(1_000, () => say({ events: [{ type: 'DELETE', kv: { key: 'YQ==', mod_revision: '21' } }] }));
      at(2_000, () => seen.leave());
      flush();
      expect(seen.values.map(lineOf)).toEqual([
        'snapshot | 5 | a=1 b=1',
        'resync | 20 | a=2 c=1 | delete b= was 1 | put a=2 was 1 | put c=1',
        'change | 21 | c=1 | delete a= was 2',
      ]);
      expect(starts).toEqual([6, 21]);
    });
  });

  test('fails if the list that replaces its history is too long', () => {
    runInVirtualTime(({ flush }) => {
      const { live, say, listedAt } = setUp(
        () => of(page(5)),
        () => fails('ResponseTooLarge'),
      );
      const seen = live();
      at(1_000, () => say({ canceled: true, compact_revision: '12' }));
      at(60_000, () => seen.leave());
      flush();
      expect(seen.errors).toMatchObject([{ reason: 'ResponseTooLarge' }]);
      expect(listedAt).toEqual([0, 1_100]);
    });
  });

  test('is listed until it succeeds while the server cannot be reached, with growing pauses', () => {
    runInVirtualTime(({ flush }) => {
      const { live, listedAt } = setUp(() => fails('Unreachable'));
      const seen = live();
      at(6_000, () => seen.leave());
      flush();
      expect(listedAt).toEqual([0, 100, 300, 700, 1_500, 3_100, 4_700]);
      expect(seen.errors).toEqual([]);
    });
  });

  test.each<[Reason, number]>([
    ['PermissionDenied', 1],
    ['AuthFailed', 1],
    ['ResponseTooLarge', 1],
    // Another token may work while auth changes, or may soon be valid; without auth, it would be retried forever.
    ['InvalidAuthToken', 8],
    ['UserEmpty', 5],
  ])('errors if its list is rejected by %s, after %d attempts', (reason, tries) => {
    runInVirtualTime(({ flush }) => {
      const { live, listedAt } = setUp(() => fails(reason));
      const seen = live();
      at(60_000, () => seen.leave());
      flush();
      expect(seen.errors).toMatchObject([{ reason }]);
      expect(listedAt).toHaveLength(tries);
    });
  });

  test('errors if its watch is rejected', () => {
    runInVirtualTime(({ flush }) => {
      const { live, say, listedAt } = setUp(() => of(page(5)));
      const seen = live();
      // A single failure might come from an outdated token, which etcd 3.3 does not distinguish.
      for (const when of [100, 1_000]) at(when, () => say({ canceled: true, cancel_reason: 'etcdserver: permission denied' }));
      flush();
      expect(seen.errors).toMatchObject([{ reason: 'PermissionDenied' }]);
      expect(listedAt).toEqual([0]);
    });
  });

  test.each([
    ['while it is listed', () => timer(10_000_000).pipe(map(() => page(5)))],
    ['in a pause', () => fails('Unreachable')],
    ['while it is watched', () => of(page(5))],
  ])('that is unsubscribed %s leaves nothing behind', (_, list) => {
    runInVirtualTime(({ flush }) => {
      const { live } = setUp(list);
      const seen = live();
      at(50, () => seen.leave());
      flush();
      expect(asyncScheduler.now()).toBe(50);
    });
  });
});
