import { describe, expect, test } from '@jest/globals';
import { defer, of, throwError } from 'rxjs';
import { EtcdError, type Reason } from '../../../src/errors/index.js';
import { toBase64 } from '../../../src/model/bytes.js';
import type { ClusterId } from '../../../src/model/ids.js';
import { assertHasChange, assertSameCluster, UNKNOWN_CLUSTER, type ReadAt, type ClusterSnapshot } from '../../../src/watch/cursor.js';
import { put } from '../../operators/support.js';
import { runInVirtualTime, watching } from './support.js';

const HERE = '7' as ClusterId;
const ELSEWHERE = '8' as ClusterId;
const TIMEOUTS = { heartbeatMs: 1_000, responseTimeoutMs: 500, initialBackoffMs: 10, maxBackoffMs: 100 };

/**
 * Returns whether the store is the same, or the error that says why not, and how often the cluster was asked for its
 * revision, which is then `newest`.
 */
function compare(before: ClusterSnapshot, now: ClusterSnapshot, newest = NaN) {
  let asked = 0;
  const newestNow = defer(() => of((asked += 1) && newest));
  const { values, errors } = watching(defer(() => assertSameCluster(before, now, newestNow)));
  return { same: errors[0] ?? values.length === 1, asked };
}

describe('the store at which a watch resumes', () => {
  test('is the same if its revision is not behind, without a request', () => {
    for (const revision of [20, 21]) {
      expect(compare({ clusterId: HERE, revision: 20 }, { clusterId: HERE, revision })).toEqual({ same: true, asked: 0 });
    }
  });

  test('is the same if only the responding member is behind', () => {
    expect(compare({ clusterId: HERE, revision: 20 }, { clusterId: HERE, revision: 19 }, 20)).toEqual({ same: true, asked: 1 });
  });

  test('is another if the cluster is behind the seen revision', () => {
    expect(compare({ clusterId: HERE, revision: 20 }, { clusterId: HERE, revision: 5 }, 19)).toMatchObject({
      same: { reason: 'FutureRev', rpc: 'Watch.Watch', message: expect.stringContaining('19') as unknown },
    });
  });

  test('is another if the cluster is, at any revision', () => {
    for (const revision of [4, 500]) {
      expect(compare({ clusterId: HERE, revision: 5 }, { clusterId: ELSEWHERE, revision })).toMatchObject({
        same: { reason: 'ClusterIDMismatch' },
        asked: 0,
      });
    }
  });

  test('is not known from a header without a cluster, or without a revision', () => {
    const unknown = { clusterId: UNKNOWN_CLUSTER, revision: 1 };
    for (const [before, now] of [
      [unknown, { clusterId: HERE, revision: 1 }],
      [{ clusterId: HERE, revision: 1 }, unknown],
      [
        { clusterId: HERE, revision: 1 },
        { clusterId: HERE, revision: 0 },
      ],
    ] as const) {
      expect(compare(before, now)).toEqual({ same: true, asked: 0 });
    }
  });
});

describe('a store with a later revision', () => {
  const kv = put('a', '1', 7).kv;
  const witness = (deleted: boolean) => ({ key64: toBase64('a'), revision: 7, deleted });
  const outcome = (deleted: boolean, readAt: ReadAt) => {
    const { values, errors } = watching(assertHasChange(witness(deleted), readAt, TIMEOUTS));
    return errors[0] ?? values.length === 1;
  };
  const failing = (reason: Reason) => throwError(() => new EtcdError(reason, 'scripted'));
  const wiped = { reason: 'FutureRev', rpc: 'Watch.Watch', message: expect.stringContaining('revision 7') as unknown };

  test('is the same if the key was put at that revision, and another otherwise', () => {
    expect(outcome(false, (key, revision) => of(revision === 7 && String.fromCharCode(...key) === 'a' ? kv : undefined))).toBe(true);
    expect(outcome(false, () => of(put('a', '1', 3).kv))).toMatchObject(wiped);
    expect(outcome(false, () => of(undefined))).toMatchObject(wiped);
  });

  test('is the same if the key existed before it was deleted, and another otherwise', () => {
    expect(outcome(true, (_, revision) => of(revision === 6 ? put('a', '1', 3).kv : undefined))).toBe(true);
    expect(outcome(true, () => of(undefined))).toMatchObject(wiped);
  });

  test.each(['Compacted', 'PermissionDenied'] as const)('is assumed to be the same if it cannot be checked: %s', (reason) => {
    expect(outcome(false, () => failing(reason))).toBe(true);
  });

  test.each(['Unreachable', 'DeadlineExceeded', 'ConnectionLost'] as const)('is read again after a temporary failure: %s', (reason) => {
    for (const [answer, expected] of [
      [kv, [1, []]],
      [undefined, [0, [expect.objectContaining({ reason: 'FutureRev' })]]],
    ] as const) {
      runInVirtualTime(({ flush }) => {
        let reads = 0;
        const readAt: ReadAt = () => ((reads += 1) <= 20 ? failing(reason) : of(answer));
        const { values, errors } = watching(assertHasChange(witness(false), readAt, TIMEOUTS));
        expect([values, errors]).toEqual([[], []]);
        flush();
        expect(reads).toBe(21);
        expect([values.length, errors]).toEqual(expected);
      });
    }
  });
});
