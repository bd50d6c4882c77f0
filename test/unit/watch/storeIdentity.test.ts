import { describe, expect, test } from '@jest/globals';
import { defer, of } from 'rxjs';
import type { ClusterId } from '../../../src/model/ids.js';
import { sameStore, UNKNOWN_CLUSTER, type StoreSighting } from '../../../src/watch/storeIdentity.js';
import { watching } from './support.js';

const HERE = '7' as ClusterId;
const ELSEWHERE = '8' as ClusterId;

/** Whether it is the same, or the error that says why not, and how often the cluster was asked for its revision, which is then `newest`. */
function compare(before: StoreSighting, now: StoreSighting, newest = NaN) {
  let asked = 0;
  const newestNow = defer(() => of((asked += 1) && newest));
  const { values, errors } = watching(defer(() => sameStore(before, now, newestNow)));
  return { same: errors[0] ?? values.length === 1, asked };
}

describe('the store that a watch comes back to', () => {
  test('is the same where it is as far as what was seen, without a question', () => {
    for (const revision of [20, 21]) {
      expect(compare({ clusterId: HERE, revision: 20 }, { clusterId: HERE, revision })).toEqual({ same: true, asked: 0 });
    }
  });

  test('is the same where only the member that answers is behind', () => {
    expect(compare({ clusterId: HERE, revision: 20 }, { clusterId: HERE, revision: 19 }, 20)).toEqual({ same: true, asked: 1 });
  });

  test('is another where the cluster is behind what was seen', () => {
    expect(compare({ clusterId: HERE, revision: 20 }, { clusterId: HERE, revision: 5 }, 19)).toMatchObject({
      same: { reason: 'FutureRev', rpc: 'Watch.Watch', message: expect.stringContaining('19') as unknown },
    });
  });

  test('is another where the cluster is, however far it is', () => {
    for (const revision of [4, 500]) {
      expect(compare({ clusterId: HERE, revision: 5 }, { clusterId: ELSEWHERE, revision })).toMatchObject({
        same: { reason: 'ClusterIDMismatch' },
        asked: 0,
      });
    }
  });

  test('is not told by a header without a cluster, nor by one without a revision', () => {
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
