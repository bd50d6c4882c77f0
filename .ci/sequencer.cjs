/**
 * The order in which jest begins with test files: those that take the longest come first, so that no worker waits for one that began last. jest
 * knows from its cache how long each took the last time. A fresh clone has no cache, and jest would take a large file for a long one.
 */
const { default: Sequencer } = require('@jest/test-sequencer');

/** Those that take a quiet machine half a minute or more, the longest first. */
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

/** How late a test comes: the longest at once, then those of which nothing is known. */
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
