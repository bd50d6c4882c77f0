import { measureLive } from '../live.js';
import type { Scenario } from '../scenario.js';

/** A range of 100 000 keys, live: loading it, then one change, and what it holds. A round is itself many, of both sides in turn. */
export const liveScenario: Scenario = {
  name: 'live-100k',
  rows: [
    { name: 'live-100k', unit: 'ms', better: 'less' },
    { name: 'live-100k-change', unit: 'µs/change', better: 'less' },
    { name: 'live-100k-heap', unit: 'bytes/key', better: 'less' },
  ],
  slow: true,
  rounds: { full: 3, quick: 1, warmUp: 0 },
  prepare: async ({ quick }) => ({
    round: async () => {
      const { loadMs, pagesMs, changeMsFew, changeMsMany, heapBytesPerKey } = await measureLive(
        quick ? { rounds: 2, changes: 50 } : { rounds: 3, changes: 150 },
      );
      return {
        ours: { 'live-100k': loadMs, 'live-100k-change': changeMsMany * 1_000, 'live-100k-heap': heapBytesPerKey },
        floor: { 'live-100k': pagesMs, 'live-100k-change': changeMsFew * 1_000 },
      };
    },
    end: async () => undefined,
  }),
};
