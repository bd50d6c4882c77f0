import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { BehaviorSubject, concat, defer, identity, NEVER, of, throwError, timer, type Observable } from 'rxjs';
import { INVALID } from '../../../src/codec/wire.js';
import { EtcdError, type Reason } from '../../../src/errors/index.js';
import type { ClusterId } from '../../../src/model/ids.js';
import type { Caller } from '../../../src/transport/call.js';
import type { ConnectionState } from '../../../src/watch/connectionState.js';
import { watchFrom } from '../../../src/watch/watcher.js';
import type { WatchReport } from '../../../src/watch/watchStream.js';
import { virtually, watching } from './support.js';

const settings = { heartbeatMs: 10_000, answerTimeoutMs: 5_000, initialBackoffMs: 100, maxBackoffMs: 1_600 };
const fails = (reason: Reason): Observable<never> => throwError(() => new EtcdError(reason, 'scripted'));
const created: WatchReport = { type: 'created', clusterId: '1' as ClusterId, revision: 7 };
const served: Observable<WatchReport> = concat(of(created), NEVER);

/** A watch of which each try, and each read meanwhile, does as it is told; the last again and again. */
function setUp(tries: readonly Observable<WatchReport>[], reads: readonly (Reason | undefined)[]) {
  const calls: string[] = [];
  const never = (): never => { throw new Error('this test has no such calls'); }; // prettier-ignore
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
        return answer === INVALID ? fails('MalformedResponse') : of(answer);
      }),
    stream: never,
    get: never,
    channel: never,
  };
  const connections = {
    stream: () => of({ watch: () => defer(() => scripted('create', tries) ?? NEVER) }),
    track: identity,
    state: new BehaviorSubject<ConnectionState>({ status: 'idle' }),
    troubled: () => undefined,
  };
  return {
    calls,
    watch: () => watching(watchFrom({ keys: { key: 'a' }, filter: {} }, of({ next: 5, seen: 0 }), { caller, connections, settings })),
  };
}

const denied = fails('PermissionDenied');

beforeEach(() => {
  // Without chance, pauses are whole.
  jest.spyOn(Math, 'random').mockReturnValue(1);
});
afterEach(() => {
  jest.restoreAllMocks();
});

describe('a watch that is denied, as etcd 3.3 also says of a token that it has forgotten,', () => {
  test('is made anew after a read that got another token, though that had to be tried again', () => {
    virtually(({ flush }) => {
      const { calls, watch } = setUp([denied, served], ['Unreachable', 'Unreachable', undefined]);
      const seen = watch();
      timer(1_000).subscribe(() => seen.leave());
      flush();
      expect(calls).toEqual(['create', 'read', 'read', 'read', 'create']);
      expect([seen.values, seen.errors]).toEqual([[{ type: 'progress', revision: 4, events: [] }], []]);
    });
  });

  test('is made anew though no token was to be had for the read', () => {
    virtually(({ flush }) => {
      const { calls, watch } = setUp([denied, served], Array(5).fill('InvalidAuthToken'));
      const seen = watch();
      timer(10_000).subscribe(() => seen.leave());
      flush();
      expect([calls.at(-1), seen.values.length, seen.errors]).toEqual(['create', 1, []]);
    });
  });

  test('ends where the read is denied, too', () => {
    virtually(({ flush }) => {
      const { calls, watch } = setUp([denied], ['PermissionDenied']);
      const seen = watch();
      flush();
      expect(calls).toEqual(['create', 'read']);
      expect(seen.errors).toMatchObject([{ reason: 'PermissionDenied' }]);
    });
  });

  test('ends where it is denied time and again, whatever a read of its first key says', () => {
    virtually(({ flush }) => {
      const { calls, watch } = setUp([denied], [undefined]);
      const seen = watch();
      flush();
      expect(calls.filter((call) => call === 'create')).toHaveLength(5);
      expect(seen.errors).toMatchObject([{ reason: 'PermissionDenied' }]);
    });
  });

  test('has its tries anew when it was served in between', () => {
    virtually(({ flush }) => {
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
