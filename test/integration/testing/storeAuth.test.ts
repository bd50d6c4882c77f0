import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { withEtcd } from '../support/fixture.js';
import { authProgram } from './programs.js';
import { runWithAuth } from './run.js';
import { memorySide, realSide, type Side } from './sides.js';

/**
 * The programs of a run with each version of the server. By hand: `PROGRAMS=1000 npx jest test/integration/testing`. With
 * etcd 3.3 they are slow, as a password costs it 0.1 s.
 */
const programs = (): number => Number(process.env['PROGRAMS'] ?? (fixture.has('3.4') ? 20 : 4));

const fixture = withEtcd({ own: true, args: ['--bcrypt-cost=4'] });
let real: Side;
let leases = 0;

beforeAll(() => {
  real = realSide(fixture.server);
});
afterAll(() => real.close());

test('any program with users has the same responses and errors as with a real server', async () => {
  await fc.assert(
    fc.asyncProperty(authProgram, async (steps) => {
      leases += 10;
      const memory = await runWithAuth(memorySide(fixture.server.version), steps, leases);
      expect(await runWithAuth(real, steps, leases)).toEqual(memory);
    }),
    { numRuns: programs() },
  );
});
