import { afterAll, beforeAll, describe, test } from '@jest/globals';
import { withEtcd } from '../support/fixture.js';
import { Comparison } from './compare.js';
import type { ServiceStep } from './servicePrograms.js';

/** The programs of a run with each version of the server. By hand: `KIND=services RUNS=10000 npm run differential`. */
const PROGRAMS = Number(process.env['PROGRAMS'] ?? 130);

const fixture = withEtcd({ own: true });
let comparison: Comparison;

beforeAll(() => {
  comparison = new Comparison(fixture.server);
});
afterAll(() => comparison.close());

test('any program of locks, elections, alarms and members has the same responses and errors as with a real server', () =>
  comparison.random('services', { numRuns: PROGRAMS }));

const GRANT: ServiceStep = { kind: 'grant', lease: 1 };

/** Programs that once had other responses than with a real server. */
const FOUND: Readonly<Record<string, readonly ServiceStep[]>> = {
  'an update of a member that does not exist looks at the member before the URLs': [
    { kind: 'update', of: 'unknown', urls: ['http://10.9.8.7'] },
  ],
  'an alarm of no member in the status': [{ kind: 'alarm', action: 'ACTIVATE', alarm: 'NOSPACE', of: 'none' }, { kind: 'status' }],
  'a lock and an election need space': [
    GRANT,
    { kind: 'campaign', name: 'a', lease: 1, value: '1' },
    { kind: 'lock', name: 'b', lease: 1 },
    { kind: 'alarm', action: 'ACTIVATE', alarm: 'NOSPACE', of: 'own' },
    { kind: 'lock', name: 'a', lease: 1 },
    { kind: 'campaign', name: 'a', lease: 1, value: '2' },
    { kind: 'proclaim', name: 'a', lease: 1, value: '3' },
    { kind: 'resign', name: 'a', lease: 1 },
    { kind: 'unlock', name: 'b', lease: 1 },
  ],
  'a lock whose lease ends while it waits': [
    GRANT,
    { kind: 'put', key: 'a/1', value: '', lease: 0 },
    { kind: 'lock', name: 'a', lease: 1 },
    { kind: 'revoke', lease: 1 },
    { kind: 'range' },
    { kind: 'delete', key: 'a/1' },
  ],
  'reads go on while data are corrupt': [
    GRANT,
    { kind: 'campaign', name: 'a', lease: 1, value: '1' },
    { kind: 'alarm', action: 'ACTIVATE', alarm: 'CORRUPT', of: 'own' },
    { kind: 'range' },
    { kind: 'leader', name: 'a' },
    { kind: 'observe', name: 'a' },
    { kind: 'lock', name: 'b', lease: 1 },
    { kind: 'resign', name: 'a', lease: 1 },
    { kind: 'timeToLive', lease: 1 },
  ],
  'an alarm takes the place of the one before, and its end is the end of both': [
    { kind: 'alarm', action: 'ACTIVATE', alarm: 'CORRUPT', of: 'own' },
    { kind: 'alarm', action: 'ACTIVATE', alarm: 'NOSPACE', of: 'own' },
    { kind: 'put', key: 'a', value: '1', lease: 0 },
    { kind: 'delete', key: 'a' },
    { kind: 'alarm', action: 'DEACTIVATE', alarm: 'NOSPACE', of: 'own' },
    { kind: 'put', key: 'a', value: '1', lease: 0 },
    { kind: 'status' },
  ],
  'an alarm of a kind ends with its last member': [
    { kind: 'alarm', action: 'ACTIVATE', alarm: 'NOSPACE', of: 'own' },
    { kind: 'alarm', action: 'ACTIVATE', alarm: 'NOSPACE', of: 'unknown' },
    { kind: 'alarm', action: 'DEACTIVATE', alarm: 'NOSPACE', of: 'own' },
    { kind: 'put', key: 'a', value: '', lease: 0 },
    { kind: 'alarm', action: 'DEACTIVATE', alarm: 'NOSPACE', of: 'unknown' },
    { kind: 'put', key: 'a', value: '', lease: 0 },
  ],
  'an alarm of no kind': [
    { kind: 'alarm', action: 'ACTIVATE', alarm: 'NONE', of: 'own' },
    { kind: 'status' },
    { kind: 'alarm', action: 'GET', alarm: 'NONE', of: 'own' },
    { kind: 'put', key: 'a', value: '1', lease: 0 },
  ],
  'a learner that is updated is no learner any more': [
    { kind: 'learner', urls: ['new'] },
    { kind: 'update', of: 'learner', urls: ['new'] },
    { kind: 'learner', urls: ['new'] },
    { kind: 'promote', of: 'learner' },
    { kind: 'members' },
  ],
};

describe('a program', () => {
  test.each(Object.entries(FOUND))('%s', (_, steps) => comparison.services(steps));
});
