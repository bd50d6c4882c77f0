import { expect, test } from '@jest/globals';
import {
  History,
  violations,
  type Delivered,
  type DeliveredBatch,
  type Promised,
  type Watched,
  type Written,
} from '../../support/watchGuarantees.js';

const put = (key: string, value: string): Written => ({ type: 'put', key, value });
const del = (key: string): Written => ({ type: 'delete', key, value: '' });

const history = new History(
  new Map([
    [2, [put('a/1', 'one')]],
    [3, [put('a/2', 'two'), put('b/1', 'three')]],
    [4, [put('a/1', 'four'), del('a/2')]],
    [6, [put('b/1', 'six')]],
    [7, [put('a/1', 'seven')]],
  ]),
);

const event = (revision: number, { type, key, value }: Written, prev?: string): Delivered => ({ type, key, value, prev, revision });
const events = (revision: number, ...changes: Written[]): DeliveredBatch => ({
  type: 'events',
  revision,
  events: changes.map((change) => event(revision, change)),
});
const bookmark = (revision: number): DeliveredBatch => ({ type: 'progress', revision, events: [] });

const R2 = events(2, put('a/1', 'one'));
const R3 = events(3, put('a/2', 'two'));
const R4 = events(4, put('a/1', 'four'), del('a/2'));
const R7 = events(7, put('a/1', 'seven'));

const watch = (batches: readonly DeliveredBatch[], more: Partial<Watched> = {}): Watched => ({
  name: 'a',
  range: { prefix: 'a/' },
  options: {},
  batches,
  through: 7,
  ...more,
});

/** Returns the guarantees that were violated, and where. */
const broken = (watched: Watched): [Promised, number][] => violations(history, watched).map(({ promise, revision }) => [promise, revision]);

test('a watch that delivers all requested events passes every check', () => {
  expect(broken(watch([bookmark(1), R2, R3, R4, bookmark(5), R7, bookmark(9)]))).toEqual([]);
  expect(broken(watch([bookmark(2), R3, R4, R7]))).toEqual([]);
  expect(broken(watch([bookmark(2), R3, R4, R7], { options: { startRevision: 3 } }))).toEqual([]);
  expect(broken(watch([bookmark(1), events(4, del('a/2'))], { options: { noPut: true } }))).toEqual([]);
  expect(broken(watch([bookmark(1), R2, events(4, put('a/1', 'four')), R7], { range: 'a/1' }))).toEqual([]);
  expect(
    broken(watch([bookmark(1), events(3, put('b/1', 'three')), events(6, put('b/1', 'six'))], { range: { from: 'b', to: 'c' } })),
  ).toEqual([]);
});

test('a watch that was unsubscribed need not have delivered later events', () => {
  expect(broken(watch([bookmark(1), R2, R3], { through: undefined }))).toEqual([]);
});

test('ordered: a revision after a later one is reported', () => {
  expect(broken(watch([bookmark(1), R2, R4, R3, R7]))).toEqual([['ordered', 3]]);
});

test('unique: a repeated change is reported, although it is the first of its batch', () => {
  expect(broken(watch([bookmark(1), R2, R3, R4, R4, R7]))).toEqual([
    ['unique', 4],
    ['unique', 4],
    ['atomic', 4],
  ]);
});

test('reliable: a missing revision in the middle or at the end is reported', () => {
  expect(broken(watch([bookmark(1), R2, R4, R7]))).toEqual([['reliable', 3]]);
  expect(broken(watch([bookmark(1), R2, R3, R4]))).toEqual([['reliable', 7]]);
  expect(broken(watch([bookmark(1)]))).toEqual([2, 3, 4, 7].map((revision) => ['reliable', revision]));
});

test('atomic: a partial revision, or one in two batches or under another revision, is reported', () => {
  expect(broken(watch([bookmark(1), R2, R3, events(4, put('a/1', 'four')), R7]))).toEqual([['atomic', 4]]);
  expect(broken(watch([bookmark(1), R2, R3, events(4, put('a/1', 'four')), events(4, del('a/2')), R7]))).toEqual([['atomic', 4]]);
  const merged: DeliveredBatch = { type: 'events', revision: 3, events: [...R2.events, ...R3.events] };
  expect(broken(watch([bookmark(1), merged, R4, R7]))).toEqual([['atomic', 2]]);
});

test('resumable: an event missing after the start revision, or from before it, is reported', () => {
  expect(broken(watch([bookmark(2), R4, R7], { options: { startRevision: 3 } }))).toEqual([['resumable', 3]]);
  expect(broken(watch([bookmark(2), R2, R3, R4, R7], { options: { startRevision: 3 } }))).toContainEqual(['resumable', 2]);
  expect(broken(watch([bookmark(2), R2, R3, R4, R7]))).toContainEqual(['resumable', 2]);
  expect(broken(watch([], { options: { startRevision: 7 } }))).toEqual([['resumable', 7]]);
});

test('bookmarkable: a bookmark before all events up to it, or after a later bookmark, is reported', () => {
  expect(broken(watch([bookmark(1), R2, bookmark(3), R3, R4, R7]))).toEqual([
    ['bookmarkable', 3],
    ['bookmarkable', 3],
  ]);
  expect(broken(watch([bookmark(1), R2, R3, R4, bookmark(5), bookmark(4), R7]))).toEqual([['bookmarkable', 4]]);
});

test('prevKv: a wrong previous value is reported, and a missing one unless it may be compacted', () => {
  const before = (prev?: string): Watched =>
    watch([bookmark(6), { type: 'events', revision: 7, events: [event(7, put('a/1', 'seven'), prev)] }], { options: { prevKv: true } });
  expect(broken(before('four'))).toEqual([]);
  expect(broken(before('one'))).toEqual([['prevKv', 7]]);
  expect(broken(before())).toEqual([['prevKv', 7]]);
  expect(broken({ ...before(), compacted: 7 })).toEqual([]);
  expect(broken({ ...before(), compacted: 6 })).toEqual([['prevKv', 7]]);
  expect(broken({ ...before('one'), compacted: 7 })).toEqual([['prevKv', 7]]);
  expect(broken({ ...before('four'), options: {} })).toEqual([['prevKv', 7]]);
});

test('true: an event that never happened, or was not requested, is reported', () => {
  expect(broken(watch([bookmark(6), events(7, put('a/1', 'six'))]))).toEqual([['true', 7]]);
  expect(broken(watch([bookmark(4), events(5, put('a/1', 'five')), R7]))).toEqual([['true', 5]]);
  expect(broken(watch([bookmark(4), events(6, put('b/1', 'six')), R7]))).toEqual([['true', 6]]);
  expect(broken(watch([bookmark(2), R3, R4, R7], { options: { noDelete: true } }))).toEqual([['true', 4]]);
});

test('a violation names the watch, the revision and the key', () => {
  expect(violations(history, watch([bookmark(1), R2, R3, events(4, put('a/1', 'four')), R7]))).toEqual([
    { promise: 'atomic', watcher: 'a', revision: 4, what: 'without a/2' },
  ]);
});
