import { describe, expect, test } from '@jest/globals';
import { measureLive } from '../bench/live.js';

describe('many keys', () => {
  test('load in little more time than reading them by pages, and a change costs the same as with few keys', async () => {
    const keys = 100_000;
    const wantedRatio = 1.6;
    const result = await measureLive({ keys, rounds: 5, wantedRatio, changes: 100 });
    const { loadRatio, loadMs, pagesMs, changeMsFew, changeMsMany } = result;
    const changes = `${changeMsMany.toFixed(2)} ms CPU a change, ${changeMsFew.toFixed(2)} with 1 000 keys`;
    process.stdout.write(
      `live, ${keys} keys: ${loadMs.toFixed(0)} ms, ${loadRatio.toFixed(2)} × by pages (${pagesMs.toFixed(0)} ms); ${changes}\n`,
    );
    expect(loadRatio).toBeLessThan(wantedRatio);
    // A copy of all keys would take some milliseconds each time.
    expect(changeMsMany).toBeLessThan(2 * changeMsFew + 0.5);
  }, 400_000);
});
