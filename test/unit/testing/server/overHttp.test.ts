import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { startTestServer } from 'rxetcd/testing/server';
import { authProgram, program } from '../../../integration/testing/programs.js';
import { run, runWithAuth } from '../../../integration/testing/run.js';
import { memorySide, realSide } from '../../../integration/testing/sides.js';

/** The programs of each kind and version. Each runs over HTTP, and in memory. */
const PROGRAMS = 15;

/** One version of each dialect, and one whose WebSockets take a token. */
describe.each(['3.3.25', '3.4.23', '3.5.30', '3.6.14'])('etcd %s in memory', (version) => {
  test.each([
    { what: 'any program', programs: program, runOn: run },
    { what: 'any program with users', programs: authProgram, runOn: runWithAuth },
  ])('$what has the same responses and errors over HTTP', async ({ programs, runOn }) => {
    const running = await startTestServer({ version });
    const http = realSide({ endpoint: running.endpoint, version });
    let leases = 0;
    try {
      await fc.assert(
        fc.asyncProperty(programs, async (steps) => {
          leases += 10;
          expect(await runOn(http, steps, leases)).toEqual(await runOn(memorySide(version), steps, leases));
        }),
        { numRuns: PROGRAMS },
      );
    } finally {
      await http.close();
      await running.close();
    }
  });
});
