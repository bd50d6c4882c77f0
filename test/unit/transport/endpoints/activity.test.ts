import { describe, expect, test } from '@jest/globals';
import { asyncScheduler, interval, Subject, takeUntil, timer } from 'rxjs';
import { CallActivity } from '../../../../src/transport/endpoints/endpoint.js';
import { checksDue, LeaseActivity, type ActivityChange } from '../../../../src/transport/endpoints/activity.js';
import { runInVirtualTime } from '../../../support/fakes/fakeTransport.js';

/** Returns the times at which probes were due within a minute, for a client with these events. */
function dueWithin(act: Record<number, (client: { inUse: boolean; readonly changes: Subject<ActivityChange> }) => void> = {}): number[] {
  const due: number[] = [];
  runInVirtualTime(({ flush }) => {
    const client = { inUse: false, changes: new Subject<ActivityChange>() };
    const activity = { inUse: () => client.inUse, changes: client.changes };
    for (const [at, what] of Object.entries(act)) timer(Number(at)).subscribe(() => what(client));
    checksDue(activity, { idleMs: 20_000, inUseMs: 8_000 })
      .pipe(takeUntil(timer(60_000)))
      .subscribe(() => due.push(asyncScheduler.now()));
    flush();
  });
  return due;
}

describe('checks are due', () => {
  test('seldom while the client is idle', () => {
    expect(dueWithin()).toEqual([20_000, 40_000]);
  });

  test('more often from its first use, and seldom again after the next check', () => {
    const begin = dueWithin({
      5_000: (client) => {
        client.inUse = true;
        client.changes.next('inUse');
      },
      17_000: (client) => void (client.inUse = false),
    });
    expect(begin).toEqual([8_000, 16_000, 24_000, 44_000]);
  });

  test('at once when something failed, but not for each of many failures', () => {
    const failures = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => [
        5_000 + index * 10,
        ({ changes }: { readonly changes: Subject<ActivityChange> }) => changes.next('suspected'),
      ]),
    );
    expect(dueWithin(failures)).toEqual([5_000, 5_500, 6_000, 26_000, 46_000]);
  });
});

test('a client that holds leases is in use until the last of them ends', () => {
  const leases = new LeaseActivity();
  const changes: ActivityChange[] = [];
  leases.changes.subscribe((change) => changes.push(change));
  leases.begin();
  leases.begin();
  leases.end();
  expect([leases.inUse, changes]).toEqual([true, ['inUse']]);
  leases.end();
  expect(leases.inUse).toBe(false);
});

describe('an endpoint', () => {
  /** Returns whether a client counts as active at these times, if calls get a response every 500 ms until 3 s. */
  const inUseAt = (times: readonly number[]): { readonly inUse: boolean[]; readonly changes: ActivityChange[] } => {
    const seen = { inUse: new Array<boolean>(), changes: new Array<ActivityChange>() };
    runInVirtualTime(({ flush }) => {
      const calls = new CallActivity();
      calls.changes.subscribe((change) => seen.changes.push(change));
      interval(500)
        .pipe(takeUntil(timer(3_100)))
        .subscribe(() => calls.responded(asyncScheduler.now()));
      for (const at of times) timer(at).subscribe(() => seen.inUse.push(calls.inUse));
      flush();
    });
    return seen;
  };

  test('is in use if calls have succeeded for a while, and for a moment after the last one', () => {
    expect(inUseAt([400, 600, 1_600, 7_900, 8_100])).toEqual({ inUse: [false, false, true, true, false], changes: ['inUse'] });
  });
});
