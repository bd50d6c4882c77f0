/**
 * Sorts the test files so that jest starts the slowest first, and no worker waits for a slow file that began last.
 * jest's cache has the duration of each file in the last run. A fresh clone has no cache, and jest would guess the
 * duration from the size of the file.
 */
const { default: Sequencer } = require('@jest/test-sequencer');

/** The files that take half a minute or more on a quiet machine, the slowest first. */
const LONGEST = [
  'integration/liveMany',
  'faults/proxies/pages',
  'faults/watch/bigBacklog',
  'faults/watch/random.auth',
  'cluster/faults',
  'integration/reentrant',
  'integration/reacquire',
  'cluster/leaks',
  'faults/deadConnections',
  'integration/leaseLife',
  'integration/ownWrites',
  'faults/locks/chaos',
  'faults/partitionedWatches',
  'faults/watch/bigDelete',
  'faults/watch/backlog',
  'docs/faults',
].map((name) => `/test/${name}.test.ts`);

/** The rank of a test file: listed files come first, and files of unknown duration after them. */
const rank = ({ path }) => {
  const index = LONGEST.findIndex((end) => path.replaceAll('\\', '/').endsWith(end));
  return index < 0 ? LONGEST.length : index;
};

module.exports = class extends Sequencer {
  sort(tests) {
    const sorted = super.sort(tests);
    if ([...tests].some(({ duration }) => duration !== undefined)) return sorted;
    return [...sorted].sort((a, b) => rank(a) - rank(b));
  }
};
