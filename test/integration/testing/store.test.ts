import { afterAll, beforeAll, describe, test } from '@jest/globals';
import { withEtcd } from '../support/fixture.js';
import { Comparison } from './compare.js';
import type { Step } from './programs.js';

/** The programs of a run with each version of the server. By hand: `PROGRAMS=5000 npx jest test/integration/testing`. */
const PROGRAMS = Number(process.env['PROGRAMS'] ?? 350);

const fixture = withEtcd({ own: true });
let comparison: Comparison;

beforeAll(() => {
  comparison = new Comparison(fixture.server);
});
afterAll(() => comparison.close());

test('any program has the same responses, errors and watches as with a real server', () => comparison.random('kv', { numRuns: PROGRAMS }));

/** Programs that once had other responses than with a real server, or that random ones meet too rarely. */
const FOUND: Readonly<Record<string, readonly Step[]>> = {
  'a put with an unknown lease looks at the lease before the key': [
    { kind: 'put', key: 'a', value: '', lease: 1, ignoreValue: true },
    { kind: 'txn', compare: [], success: [{ kind: 'put', key: 'a', value: '', lease: 1, ignoreValue: true }], failure: [] },
  ],
  'a txn may put a key and delete all from one on': [
    {
      kind: 'txn',
      compare: [{ key: 'a', target: 'VERSION', result: 'GREATER', version: 0 }],
      success: [
        { kind: 'put', key: 'a', value: '' },
        { kind: 'delete', key: 'a', rangeEnd: '\0' },
      ],
      failure: [],
    },
  ],
  'a watch from a compacted deletion on': [
    { kind: 'put', key: 'a', value: '1' },
    { kind: 'put', key: 'b', value: '1' },
    { kind: 'delete', key: 'a' },
    { kind: 'compact', revision: 4 },
    { kind: 'watch', key: 'a', rangeEnd: 'c', startRevision: 4, prevKv: true },
    { kind: 'watch', key: 'a', rangeEnd: 'c', startRevision: 3 },
    { kind: 'range', key: 'a', rangeEnd: 'c', revision: 4 },
    { kind: 'range', key: 'a', rangeEnd: 'c', revision: 3 },
  ],
  'a watch from a compacted put on': [
    { kind: 'put', key: 'a', value: '1' },
    { kind: 'put', key: 'a', value: '2' },
    { kind: 'put', key: 'a', value: '3' },
    { kind: 'compact', revision: 3 },
    { kind: 'watch', key: 'a', startRevision: 3, prevKv: true },
  ],
  'watches of no keys, and with an id that exists': [
    { kind: 'watch', key: 'b', rangeEnd: 'a' },
    { kind: 'watch', key: 'b', rangeEnd: 'b', watchId: 7 },
    { kind: 'watch', key: 'b', watchId: 2 },
    { kind: 'watch', key: 'c', watchId: 2 },
    { kind: 'watch', key: 'd' },
    { kind: 'watch', key: 'e' },
    { kind: 'watch', key: 'f' },
  ],
  'a watch from a negative revision': [
    { kind: 'put', key: 'a', value: '1' },
    { kind: 'compact', revision: 2 },
    { kind: 'watch', key: 'a', startRevision: -1_000_000 },
  ],
  'a revoked lease deletes its keys at one revision': [
    { kind: 'grant', lease: 1 },
    { kind: 'grant', lease: 1 },
    { kind: 'watch', key: 'a', rangeEnd: 'd', prevKv: true },
    { kind: 'put', key: 'c', value: '1', lease: 1 },
    { kind: 'put', key: 'a', value: '1', lease: 1 },
    { kind: 'put', key: 'b', value: '1', lease: 1 },
    { kind: 'put', key: 'b', value: '2' },
    { kind: 'timeToLive', lease: 1, keys: true },
    { kind: 'revoke', lease: 1 },
    { kind: 'timeToLive', lease: 1, keys: true },
    { kind: 'refresh', lease: 1 },
    { kind: 'revoke', lease: 1 },
  ],
};

describe('a program', () => {
  test.each(Object.entries(FOUND))('%s', (_, steps) => comparison.kv(steps));
});
