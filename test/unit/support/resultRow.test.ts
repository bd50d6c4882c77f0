import { expect, test } from '@jest/globals';
import type { WriteNote } from '../../support/workload/callLog.js';
import { breachesOf, rowOf, type Struck } from '../../support/workload/resultRow.js';
import type { Records } from '../../support/workload/workload.js';

const struck: Struck = { fault: 'leader killed', from: 1_000, mendable: 1_000, until: 9_000 };
const done: WriteNote = { writer: 'w', number: 1, begin: 2_000, end: 2_010, outcome: 'done', revision: 5 };

/** One read and one write, both successful, and received at once by a watch, with the changes of a test. */
const records = (changed: Partial<Records> = {}): Records => ({
  reads: [{ begin: 2_000, end: 2_005, outcome: 'done' }],
  writes: [done],
  heard: [new Map([[5, 2_011]])],
  leaseLosses: [],
  lockLosses: [],
  lockSteps: [500, 2_000, 9_500],
  carriedOut: new Map([['w 1', [5]]]),
  breaches: [],
  ...changed,
});
const breaches = (changed: Partial<Records>, at = struck): string[] => breachesOf(rowOf(at, records(changed)));

test('a fault that was survived has times and no breaches', () => {
  expect(rowOf(struck, records())).toMatchObject({ readsBack: 5, writesBack: 10, watchesBack: 1, lost: 0, repeated: 0 });
  expect(breaches({})).toEqual([]);
});

test.each<[string, Partial<Records>, RegExp]>([
  ['a write that was acknowledged and is not there', { carriedOut: new Map() }, /1 writes were lost/],
  ['a write that is there at another revision only', { carriedOut: new Map([['w 1', [6]]]) }, /1 writes were lost/],
  ['a write that is there twice', { carriedOut: new Map([['w 1', [5, 7]]]) }, /carried out twice/],
  [
    'an ambiguous write that is there twice',
    { writes: [{ ...done, outcome: 'ambiguous' }], carriedOut: new Map([['w 1', [5, 7]]]) },
    /twice/,
  ],
  ['a write that was refused and is there', { writes: [{ ...done, outcome: 'failed', revision: undefined }] }, /though they were refused/],
  ['a slow read', { reads: [{ begin: 2_000, end: 4_001, outcome: 'done' }] }, /a read took 2001 ms/],
  ['a read that failed', { reads: [{ begin: 2_000, end: 2_100, outcome: 'failed', reason: 'Why' }] }, /1 reads failed, one with Why/],
  ['a watch that was late', { heard: [new Map([[5, 7_011]])] }, /a watch heard of a change after 5001 ms/],
  ['that nothing was read', { reads: [] }, /nothing was read/],
])('%s is a breach', (_, changed, what) => {
  expect(breaches(changed)).toEqual([expect.stringMatching(what)]);
});

test('on a busy machine only the limits of time are longer', () => {
  const row = rowOf(struck, records({ reads: [{ begin: 2_000, end: 5_999, outcome: 'done' }], carriedOut: new Map() }));
  expect(breachesOf(row, 2)).toEqual([expect.stringMatching(/1 writes were lost/)]);
});

test('a read may miss its deadline only on a machine on which a read may take as long', () => {
  const late = { begin: 2_000, end: 8_900, outcome: 'failed' as const, reason: 'DeadlineExceeded: no response' };
  const row = rowOf(struck, records({ reads: [done, late] }));
  expect(breachesOf(row, 5)).toEqual([expect.stringMatching(/1 reads failed, one with DeadlineExceeded/)]);
  expect(breachesOf(row, 5.1)).toEqual([]);
  const other = rowOf(struck, records({ reads: [late, { ...late, reason: 'Why' }] }));
  expect(breachesOf(other, 5.1)).toEqual([expect.stringMatching(/1 reads failed, one with Why/)]);
});

test('a lock that no client acquires is a breach', () => {
  const longer = { ...struck, until: 20_000 };
  expect(breaches({ lockSteps: [900, 9_000] }, longer)).toEqual([]);
  expect(breaches({ lockSteps: [900, 9_001] }, longer)).toEqual([expect.stringMatching(/nobody worked under the lock for 8001 ms/)]);
});

test('a write with an unknown outcome may or may not exist', () => {
  const writes: WriteNote[] = [{ ...done, outcome: 'ambiguous', revision: undefined }];
  expect(breaches({ writes })).toEqual([]);
  expect(breaches({ writes, carriedOut: new Map() })).toEqual([]);
});

test('a failure or a wait during the next fault does not count for the previous one', () => {
  const begun = { begin: 8_990, end: 12_500 };
  const failed = { ...begun, outcome: 'failed' as const, reason: 'Why' };
  const next = { fault: 'all down', from: 9_000, mendable: 12_000, until: 20_000 };
  expect(breaches({ reads: [failed] })).toEqual([]);
  expect(breaches({ reads: [failed], writes: [{ ...done, begin: 9_500 }] }, next)).toEqual([]);
  expect(breaches({ reads: [{ ...begun, outcome: 'done' }] })).toEqual([]);
  const single = { ...next, mendable: 9_000 };
  expect(breaches({ reads: [failed], writes: [{ ...done, begin: 9_500 }] }, single)).toEqual([expect.stringContaining('1 reads failed')]);
});

test('after an outage of all members, time counts from their return', () => {
  const reads = [{ begin: 2_000, end: 8_500, outcome: 'done' as const }];
  expect(rowOf({ ...struck, mendable: 8_000 }, records({ reads }))).toMatchObject({ readsBack: 500 });
  expect(breaches({ reads }, { ...struck, mendable: 8_000 })).toEqual([]);
});
