import { expect, test } from '@jest/globals';
import { countKey } from '../../support/workload/contender.js';
import { countFaults } from '../../support/workload/lockWork.js';

const counted = (n: number, owner: number, modRevision: number, version = 1) => ({
  key: countKey(n),
  value: String(owner),
  version,
  modRevision,
});
const WELL = [counted(1, 5, 6), counted(2, 5, 7), counted(3, 9, 12)];

test('counts by one owner after the other have no fault, also with lost responses', () => {
  expect(countFaults(WELL, [{ n: 1, owner: 5, at: 0 }])).toEqual([]);
});

test.each([
  ['a missing one', [counted(1, 5, 6), counted(3, 9, 12)], /3 is in the place of .*2/],
  ['one that was done twice', [counted(1, 5, 6, 2)], /was counted 2 times/],
  ['one of an earlier owner', [counted(1, 9, 6), counted(2, 5, 7)], /counted by 5, who owned before 9/],
  ['one out of turn', [counted(1, 5, 8), counted(2, 5, 7)], /was counted before/],
])('a fault is reported: %s', (_, kvs, what) => {
  expect(countFaults(kvs, [])).toEqual([expect.stringMatching(what)]);
});

test.each([
  ['is not there', { n: 4, owner: 9, at: 0 }],
  ['is another owner’s', { n: 3, owner: 5, at: 0 }],
])('an acknowledged count is reported if it %s', (_, note) => {
  expect(countFaults(WELL, [note])).toEqual([expect.stringContaining('was acknowledged, and is not there')]);
});
