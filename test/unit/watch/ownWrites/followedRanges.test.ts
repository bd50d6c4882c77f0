import { describe, expect, test } from '@jest/globals';
import type { LeaseId } from '../../../../src/model/ids.js';
import { KeyValue } from '../../../../src/model/keyValue.js';
import { toBase64 } from '../../../../src/model/bytes.js';
import { spanOf, type Range } from '../../../../src/model/range.js';
import type { ConnectionState } from '../../../../src/watch/streams/connectionState.js';
import { FollowedRanges } from '../../../../src/watch/ownWrites/followedRanges.js';

const connected: ConnectionState = { status: 'connected', endpoint: 'http://a:1', transport: 'websocket' };

/** A state with keys that were all put at the same revision. */
const state = (revision: number, keys: Readonly<Record<string, { readonly at: number; readonly lease?: string }>> = {}) => ({
  revision,
  state: new Map(
    Object.entries(keys).map(([key, { at, lease }]) => [
      key,
      new KeyValue({
        key64: toBase64(key),
        value64: '',
        createRevision: at,
        modRevision: at,
        version: 1,
        lease: lease as LeaseId | undefined,
      }),
    ]),
  ),
});

function setUp(range: Range = { prefix: 'a/' }) {
  const all = new FollowedRanges();
  const followed = all.follow(spanOf(range), '');
  followed.listing();
  followed.show(state(5), true, connected);
  return { all, followed };
}

describe('a state of a live range is outdated', () => {
  test.each<[string, Range, string, boolean]>([
    ['in a prefix', { prefix: 'a/' }, 'a/1', true],
    ['outside of a prefix', { prefix: 'a/' }, 'a', false],
    ['that is the range', 'a', 'a', true],
    ['beside the range', 'a', 'a/1', false],
    ['in a span', { from: 'a', to: 'c' }, 'b', true],
    ['at the end of a span', { from: 'a', to: 'c' }, 'c', false],
    ['behind an open start', { from: 'a' }, 'x', true],
    ['where all are followed', { all: true }, 'ÿ', true],
    ['that is no ASCII', { prefix: 'ä' }, 'äö', true],
  ])('before the put of a key %s', (_, range, key, old) => {
    const { all, followed } = setUp(range);
    all.put(key, 7);
    const isOld = followed.whetherOld();
    expect(isOld !== undefined).toBe(old);
    if (isOld !== undefined) expect([isOld(state(6)), isOld(state(7))]).toEqual([true, false]);
  });

  test('as long as it has a key of a deleted larger range, and until that revision at the latest', () => {
    const { all, followed } = setUp();
    followed.show(state(5, { 'a/1': { at: 4 } }), false, connected);
    all.cleared({ key: 'a', rangeEnd: 'b' }, 9, true);
    const isOld = followed.whetherOld();
    expect(isOld?.(state(6, { 'a/1': { at: 6 } }))).toBe(true);
    expect(isOld?.(state(7))).toBe(false);
    expect(isOld?.(state(9, { 'a/1': { at: 9 } }))).toBe(false);
  });

  test('as long as it has a key of a revoked lease', () => {
    const { all, followed } = setUp();
    followed.show(state(5, { 'a/1': { at: 4, lease: '1' } }), false, connected);
    all.revoked('2' as LeaseId, 6);
    expect(followed.whetherOld()).toBeUndefined();
    all.revoked('1' as LeaseId, 7);
    expect(followed.whetherOld()?.(state(6))).toBe(false);
  });

  test('not after a later list, although the store now has a lower revision', () => {
    const { all, followed } = setUp();
    all.put('a/1', 1_000);
    const isOld = followed.whetherOld();
    expect(isOld?.(state(6))).toBe(true);
    followed.listing();
    followed.show(state(3), true, connected);
    expect([isOld?.(state(3)), followed.whetherOld()]).toEqual([false, undefined]);
  });

  test('not after a list that was in progress, although the store now has a lower revision', () => {
    const { all, followed } = setUp();
    followed.show(state(5, { 'a/1': { at: 4 } }), false, connected);
    all.put('a/1', 1_000);
    all.cleared({ key: 'a', rangeEnd: 'b' }, 1_001, true);
    followed.listing();
    const isOld = followed.whetherOld();
    expect(isOld?.(state(6))).toBe(true);
    const listed = state(3, { 'a/1': { at: 2 } });
    followed.show(listed, true, connected);
    expect([isOld?.(listed), followed.whetherOld()]).toEqual([false, undefined]);
  });

  test('after a list that was requested before the write', () => {
    const { all, followed } = setUp();
    followed.listing();
    all.put('a/1', 7);
    const isOld = followed.whetherOld();
    followed.show(state(6), true, connected);
    expect([isOld?.(state(6)), isOld?.(state(7))]).toEqual([true, false]);
  });

  test('not when its range is no longer followed', () => {
    const { all, followed } = setUp();
    followed.end();
    all.put('a/1', 7);
    expect([all.size, followed.whetherOld()]).toEqual([0, undefined]);
  });
});

test('records of deletions are bounded in number, and not kept if no range is followed', () => {
  const { all, followed } = setUp();
  for (let revision = 6; revision < 10_000; revision++) all.revoked(String(revision) as LeaseId, revision);
  expect(all.notesAfter(0, followed.span)).toHaveLength(256);
  followed.end();
  expect(all.notesAfter(0, followed.span)).toEqual([]);
});
