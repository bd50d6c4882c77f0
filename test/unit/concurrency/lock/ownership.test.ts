import { describe, expect, test } from '@jest/globals';
import { defer, map, NEVER, Subject, timer, type Observable } from 'rxjs';
import type { CleanupTracker } from '../../../../src/concurrency/lease/cleanup.js';
import type { ConcurrencyContext } from '../../../../src/concurrency/context.js';
import { enterQueue, type HeldEntry } from '../../../../src/concurrency/lock/ownership.js';
import type { Reason } from '../../../../src/errors/index.js';
import { contextWith, keepAlivesBy } from '../../../support/fakes/fakeKeepAlives.js';
import { errorOf, ID, record, runInVirtualTime, type Recording, type VirtualTime } from '../support.js';

/** The response to a txn. */
type Step = unknown;

/** The queue entry was created at this revision; the owner is the entry of revision `owner`. */
const made = (revision: number, owner = revision): Step => ({
  succeeded: true,
  header: { revision },
  responses: [{}, { kvs: [{ createRevision: owner }] }],
});
/** The queue entry existed already. */
const found = (createRevision: number, owner = createRevision): Step => ({
  succeeded: false,
  header: { revision: 99 },
  responses: [{ createRevision }, { kvs: [{ createRevision: owner }] }],
});
/** The client is still in the queue, behind the entry of revision `before`. */
const waiting = (mine: number, before?: number): Step => ({
  succeeded: true,
  header: { revision: 50 },
  responses: [
    { createRevision: mine },
    { kvs: before === undefined ? [] : [{ createRevision: before, key: '\ufffd', keyBytes: Uint8Array.of(before) }] },
  ],
});
const fails = (reason: Reason): Step => errorOf(reason);

interface Scene {
  readonly time: VirtualTime;
  readonly seen: Recording<HeldEntry>;
  /** The kinds of the sent txns. */
  readonly sent: string[];
  /** The open watches, by key. */
  readonly watches: { readonly key: unknown; readonly from: number | undefined; readonly tells: Subject<never> }[];
  readonly cleanup: CleanupTracker;
}

/**
 * Waits in a queue with the caller's own lease. The txns get these responses, one after the other, a millisecond each;
 * later ones get none.
 */
function stand(
  steps: readonly Step[],
  act: (scene: Scene) => void = () => undefined,
  exists: Step = { kvs: [], header: { revision: 60 } },
): Scene {
  return runInVirtualTime((time) => {
    const left = [...steps];
    const sent: string[] = [];
    const watches: Scene['watches'] = [];
    const answer = (step: Step): Observable<never> =>
      step === undefined
        ? NEVER
        : timer(1).pipe(
            map(() => {
              if (step instanceof Error) throw step;
              return step as never;
            }),
          );
    const kv = {
      txn: ({ compare = [], success = [] }: { compare?: readonly unknown[]; success?: readonly { op: string }[] }) =>
        defer(() => {
          sent.push(compare.length === 0 ? 'look' : (success[0]?.op ?? ''));
          return answer(left.shift());
        }),
      range: () => defer(() => answer(exists)),
    };
    const watchAfter = ({ key }: { key: unknown }, revision: number) => {
      const tells = new Subject<never>();
      watches.push({ key: key instanceof Uint8Array ? key[0] : key, from: revision + 1, tells });
      return tells;
    };
    const leases = contextWith(keepAlivesBy(() => NEVER));
    const context = { ...leases, kv, watchAfter } as unknown as ConcurrencyContext;
    const scene = { time, sent, watches, cleanup: leases.cleanup, seen: record(time, enterQueue({ name: 'q' }, { lease: ID }, context)) };
    act(scene);
    time.flush();
    return scene;
  });
}

const steps = ({ seen }: Scene): (readonly [boolean, number])[] => seen.events.map(({ event }) => [event.isOwner, event.revision]);

describe('a queue entry', () => {
  test('is created again after an unknown outcome, until the outcome is known', () => {
    const scene = stand([fails('AmbiguousWrite'), fails('Unreachable'), fails('AmbiguousWrite'), found(7)]);
    expect(scene.sent).toEqual(['put', 'put', 'put', 'put']);
    expect(steps(scene)).toEqual([[true, 7]]);
  });

  test('is rejected permanently if the server rejects it', () => {
    const { seen, sent } = stand([fails('LeaseNotFound')]);
    expect([seen.end?.reason, sent]).toEqual(['LeaseNotFound', ['put']]);
  });

  test('waits only for its predecessor, and reads again when that is deleted, despite failures', () => {
    const scene = stand([made(9, 2), fails('Unreachable'), waiting(9, 5), fails('ConnectionLost'), waiting(9)], ({ time, watches }) => {
      time.at(1_000, () => {
        // It watches the entry before it, and its own key from the start, so that it does not wait for a turn that cannot come.
        expect(watches).toMatchObject([
          { key: 'q/7', from: 10 },
          { key: 5, from: 51 },
        ]);
        watches[1]?.tells.next({} as never);
      });
    });
    expect(scene.sent).toEqual(['put', 'look', 'look', 'look', 'look']);
    expect(steps(scene)).toEqual([
      [false, 9],
      [true, 9],
    ]);
    expect(scene.watches).toHaveLength(2);
  });

  test('is lost as soon as its key is deleted, although it still waits', () => {
    const { seen } = stand([made(9, 2), waiting(9, 5)], ({ time, watches }) => time.at(1_000, () => watches[0]?.tells.next({} as never)));
    expect(seen.end).toEqual({ at: 1_000, reason: 'LockLost' });
  });

  test('is lost if its key is deleted when its turn comes', () => {
    expect(stand([made(9, 2), waiting(10)]).seen.end?.reason).toBe('LockLost');
  });

  test('whose history was compacted is lost if its key was deleted or replaced', () => {
    const compacted = ({ time, watches }: Scene): void => time.at(1_000, () => watches[0]?.tells.error(errorOf('Compacted')));
    const kvs = (createRevision: number): Step => ({ kvs: [{ createRevision }], header: { revision: 60 } });
    expect(stand([made(9)], compacted).seen.end?.reason).toBe('LockLost');
    expect(stand([made(9)], compacted, kvs(40)).seen.end?.reason).toBe('LockLost');
    const kept = stand([made(9)], compacted, kvs(9));
    expect(kept.seen.end).toBeUndefined();
    expect(kept.watches.at(-1)).toMatchObject({ key: 'q/7', from: 61 });
  });

  test('that is owned fails with LockLost for any cause, and one that waits with the cause itself', () => {
    const denied = ({ time, watches }: Scene): void => time.at(1_000, () => watches[0]?.tells.error(errorOf('PermissionDenied')));
    expect(stand([made(9)], denied).seen).toMatchObject({ end: { reason: 'LockLost' }, error: { cause: { reason: 'PermissionDenied' } } });
    expect(stand([made(9, 2), waiting(9, 5)], denied).seen.end?.reason).toBe('PermissionDenied');
  });

  test('is released after unsubscribing, although its request was still in progress', () => {
    const { sent } = stand([made(9), {}], ({ seen }) => seen.leave());
    expect(sent).toEqual(['put', 'delete']);
  });

  test('is no longer requested after unsubscribing, if that fails often enough', () => {
    const { sent, time } = stand(
      Array.from({ length: 50 }, () => fails('AmbiguousWrite')),
      ({ seen }) => seen.leave(),
    );
    expect(sent).toEqual(['put', 'put', 'put', 'put']);
    expect(time.timers()).toBe(0);
  });

  test('is deleted again if its request had no response', () => {
    const { sent } = stand([made(9), fails('AmbiguousWrite'), fails('Unreachable'), {}], ({ time, seen }) =>
      time.at(100, () => seen.leave()),
    );
    expect(sent).toEqual(['put', 'delete', 'delete', 'delete']);
  });

  test('is no longer alive as soon as its loss is emitted', () => {
    const heard: unknown[] = [];
    stand([made(9)], ({ time, watches, seen }) => {
      time.at(10, () => heard.push(seen.events.at(-1)?.event.alive(), watches.length));
      time.at(100, () => watches[0]?.tells.next({} as never));
      time.at(110, () => heard.push(seen.events.at(-1)?.event.alive(), seen.end?.reason));
    });
    // The key of an ownership without a wait is watched a little later.
    expect(heard).toEqual([true, 0, false, 'LockLost']);
  });
});
