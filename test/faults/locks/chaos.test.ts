import { expect, test } from '@jest/globals';
import { lockChaos } from '../../support/chaos/run.js';
import { askedSeed } from '../../support/random.js';

test('a lock has one owner at a time while clients are killed, paused and disconnected, and no owner notices a loss too late', async () => {
  const figures = await lockChaos({ seed: askedSeed(), seconds: 12, losses: 3, print: (line) => process.stdout.write(`${line}\n`) });
  expect(figures.writes).toBeGreaterThan(20);
  expect(figures.owners).toBeGreaterThan(5);
  expect(figures.lost).toBeGreaterThanOrEqual(3);
}, 300_000);
