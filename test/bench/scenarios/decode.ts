import { measureDecode } from '../decode.js';
import type { Scenario } from '../scenario.js';

/** Checked decoding of a range without a server: the codec alone. A round is itself many, of both sides in turn. */
export const decodeScenario: Scenario = {
  name: 'decode',
  rows: [{ name: 'decode', unit: 'ms', better: 'less' }],
  rounds: { full: 5, quick: 2, warmUp: 0 },
  prepare: async ({ quick }) => {
    const rounds = quick ? 21 : 101;
    return {
      round: async () => {
        const { oursMs, leastMs } = measureDecode(rounds);
        return { ours: { decode: oursMs }, floor: { decode: leastMs } };
      },
      end: async () => undefined,
    };
  },
};
