import { afterAll, beforeAll, test } from '@jest/globals';
import { withEtcd } from '../support/fixture.js';
import { Comparison } from './compare.js';

/**
 * The programs of a run with each version of the server. By hand: `PROGRAMS=1000 npx jest test/integration/testing`. With
 * etcd 3.3 they are slow, as a password costs it 0.1 s.
 */
const programs = (): number => Number(process.env['PROGRAMS'] ?? (fixture.has('3.4') ? 30 : 4));

const fixture = withEtcd({ own: true, args: ['--bcrypt-cost=4'] });
let comparison: Comparison;

beforeAll(() => {
  comparison = new Comparison(fixture.server);
});
afterAll(() => comparison.close());

test('any program with users has the same responses and errors as with a real server', () =>
  comparison.random('auth', { numRuns: programs() }));
