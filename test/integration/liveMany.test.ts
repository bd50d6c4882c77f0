import { describe, expect, test } from '@jest/globals';
import { measureLive } from '../bench/live.js';
import { withEtcd } from './support/fixture.js';

const fixture = withEtcd({ own: true });

describe('many keys', () => {
  test('load in little more time than it takes to read them by pages, and a change costs what it costs with few', async () => {
    // A hundred thousand on one version: filling three servers takes its time.
    const keys = fixture.has('3.5') ? 100_000 : 20_000;
    const wantedRatio = keys === 100_000 ? 1.6 : 2.5;
    const result = await measureLive({ keys, rounds: 5, wantedRatio, changes: 100 });
    const { loadRatio, loadMs, pagesMs, changeMsFew, changeMsMany } = result;
    const changes = `${changeMsMany.toFixed(2)} ms CPU a change, ${changeMsFew.toFixed(2)} with 1 000 keys`;
    process.stdout.write(
      `live, ${keys} keys: ${loadMs.toFixed(0)} ms, ${loadRatio.toFixed(2)} × by pages (${pagesMs.toFixed(0)} ms); ${changes}\n`,
    );
    expect(loadRatio).toBeLessThan(wantedRatio);
    // A copy of all keys would be some milliseconds each time.
    expect(changeMsMany).toBeLessThan(2 * changeMsFew + 0.5);
  }, 180_000);
});
