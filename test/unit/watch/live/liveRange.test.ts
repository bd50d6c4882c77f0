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
import { virtually, watching, type Seen } from '../support.js';
import { idleActivity } from '../../../support/fakes/fakeActivity.js';
import { overJson } from '../../../support/fakes/overJson.js';

const settings = { heartbeatMs: 10_000, responseTimeoutMs: 5_000, initialBackoffMs: 100, maxBackoffMs: 1_600 };

/** Brands are made by codecs alone; here nobody looks at the ids. */
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
const told = ({ type, revision, state, changes }: LiveUpdate): string =>
  [type, revision, [...state].map(([key, { value }]) => `${key}=${value}`).sort().join(' '), ...changes.map(shown)].join(' | '); // prettier-ignore

/** A range whose lists are scripted, the last again and again, and a server that creates every watch and says what the test has it say. */
function setUp(...lists: readonly (() => Observable<RangeResponse>)[]) {
  const listedAt: number[] = [];
  const starts: unknown[] = [];
  let down = new Subject<DuplexPart>();
  let watch = -1;
  const say = (more: object): void =>
    down.next({ type: 'message', json: { result: { header: { revision: '99' }, watch_id: String(watch), ...more } } });
  const send = (message: string): void => {
    // As `request.ts` writes it; cancels and progress requests have no such field.
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
      duplex,
      answered: () => undefined,
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
  // Without chance, pauses are whole.
  jest.spyOn(Math, 'random').mockReturnValue(1);
});
afterEach(() => {
  jest.restoreAllMocks();
});

describe('a live range', () => {
  test('is watched from the revision after that of its first page', () => {
    virtually(({ flush }) => {
      const { live, starts } = setUp(() => of(page(5, kv('a', '1', 2)), page(8, kv('b', '1', 3))));
      const seen = live();
      at(100, () => seen.leave());
      flush();
      expect(seen.values.map(told)).toEqual(['snapshot | 5 | a=1 b=1']);
      expect(starts).toEqual([6]);
    });
  });

  test('whose list breaks in the middle is listed anew, and has nothing of the broken one', () => {
    virtually(({ flush }) => {
      const { live, listedAt, starts } = setUp(
        () => concat(of(page(5, kv('a', '1', 2), kv('gone', '1', 3))), fails('ConnectionLost')),
        () => of(page(9, kv('a', '2', 8))),
      );
      const seen = live();
      at(1_000, () => seen.leave());
      flush();
      expect(seen.values.map(told)).toEqual(['snapshot | 9 | a=2']);
      expect([listedAt, starts]).toEqual([[0, 100], [10]]);
    });
  });

  test('that is compacted while it is listed is listed anew, and begins with that', () => {
    virtually(({ flush }) => {
      const { live } = setUp(
        () => concat(of(page(5, kv('gone', '1', 3))), compacted()),
        () => of(page(9, kv('a', '2', 8))),
      );
      const seen = live();
      at(1_000, () => seen.leave());
      flush();
      expect(seen.values.map(told)).toEqual(['snapshot | 9 | a=2']);
    });
  });

  test('whose history is compacted away is listed again, tells what must have happened, and is watched from there', () => {
    virtually(({ flush }) => {
      const { live, say, starts } = setUp(
        () => of(page(5, kv('a', '1', 2), kv('b', '1', 3))),
        () => of(page(20, kv('a', '2', 15), kv('c', '1', 16))),
      );
      const seen = live();
      at(100, () => say({ canceled: true, compact_revision: '12' }));
      at(1_000, () => say({ events: [{ type: 'DELETE', kv: { key: 'YQ==', mod_revision: '21' } }] }));
      at(2_000, () => seen.leave());
      flush();
      expect(seen.values.map(told)).toEqual([
        'snapshot | 5 | a=1 b=1',
        'resync | 20 | a=2 c=1 | delete b= was 1 | put a=2 was 1 | put c=1',
        'change | 21 | c=1 | delete a= was 2',
      ]);
      expect(starts).toEqual([6, 21]);
    });
  });

  test('errors where the list that is to make up for its history is too long to be had', () => {
    virtually(({ flush }) => {
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

  test('is listed for as long as it takes where the server cannot be reached, ever more seldom', () => {
    virtually(({ flush }) => {
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
    // Another token may do while auth changes, or be known soon; where there is none, it would be tried for ever.
    ['InvalidAuthToken', 8],
    ['UserEmpty', 5],
  ])('errors where it is refused by %s, after tries: %d', (reason, tries) => {
    virtually(({ flush }) => {
      const { live, listedAt } = setUp(() => fails(reason));
      const seen = live();
      at(60_000, () => seen.leave());
      flush();
      expect(seen.errors).toMatchObject([{ reason }]);
      expect(listedAt).toHaveLength(tries);
    });
  });

  test('errors where its watch is refused', () => {
    virtually(({ flush }) => {
      const { live, say, listedAt } = setUp(() => of(page(5)));
      const seen = live();
      // Once might be a stale token, which etcd 3.3 does not tell from it.
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
  ])('that is left %s leaves nothing behind', (_, list) => {
    virtually(({ flush }) => {
      const { live } = setUp(list);
      const seen = live();
      at(50, () => seen.leave());
      flush();
      expect(asyncScheduler.now()).toBe(50);
    });
  });
});
