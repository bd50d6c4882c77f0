import { describe, expect, test } from '@jest/globals';
import { defer, of } from 'rxjs';
import type { ClusterId } from '../../../src/model/ids.js';
import { StoreIdentity } from '../../../src/watch/storeIdentity.js';
import { watching } from './support.js';

const HERE = '7' as ClusterId;
const ELSEWHERE = '8' as ClusterId;

/** @param newest what the cluster answers, one after the other */
function setUp(...newest: number[]) {
  const answers = [...newest];
  const newestNow = defer(() => of(answers.shift() ?? NaN));
  const store = new StoreIdentity();
  const check = (clusterId: ClusterId, revision: number) => {
    const { values, errors } = watching(defer(() => store.check({ clusterId, revision }, newestNow)));
    return errors[0] ?? values.length;
  };
  return { store, check, asked: () => newest.length - answers.length };
}

describe('the store that a watch comes back to', () => {
  test('is the same where it is as far as what was seen, without a question', () => {
    const { store, check, asked } = setUp();
    expect(check(HERE, 3)).toBe(1);
    store.saw(20);
    store.saw(10);
    expect([check(HERE, 20), check(HERE, 21), asked()]).toEqual([1, 1, 0]);
  });

  test('is the same where only the member that answers is behind', () => {
    const { store, check, asked } = setUp(20);
    store.saw(20);
    expect([check(HERE, 19), asked()]).toEqual([1, 1]);
  });

  test('is another where the cluster is behind what was seen', () => {
    const { store, check } = setUp(19);
    store.saw(20);
    expect(check(HERE, 5)).toMatchObject({ reason: 'FutureRev', rpc: 'Watch.Watch', message: expect.stringContaining('19') as unknown });
  });

  test('is another where the cluster is, however far it is', () => {
    const { store, check, asked } = setUp();
    expect(check(HERE, 5)).toBe(1);
    store.saw(5);
    expect([check(ELSEWHERE, 4), check(ELSEWHERE, 500), asked()]).toMatchObject([
      { reason: 'ClusterIDMismatch' },
      { reason: 'ClusterIDMismatch' },
      0,
    ]);
    expect(check(HERE, 5)).toBe(1);
  });

  test('is not told by a header without a cluster', () => {
    const { check } = setUp();
    expect([check('0' as ClusterId, 1), check(HERE, 1), check('0' as ClusterId, 1), check(HERE, 1)]).toEqual([1, 1, 1, 1]);
  });
});
