import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { Pacer } from '../../../src/util/time.js';

test('a little work runs at once, and much work over several turns, in order', async () => {
  const pacer = new Pacer();
  const ran: number[] = [];
  pacer.run(() => ran.push(0));
  expect(ran).toEqual([0]);
  const WORKS = 2_200;
  for (let work = 1; work < WORKS; work++) pacer.run(() => ran.push(work));
  const byTurn = [ran.length];
  while (ran.length < WORKS) {
    await nextTurn();
    byTurn.push(ran.length);
  }
  expect(byTurn).toEqual([500, 1_000, 1_500, 2_000, 2_200]);
  expect(ran).toEqual(Array.from({ length: WORKS }, (_, work) => work));
});

test('work that is added by other work runs after the waiting work', async () => {
  const pacer = new Pacer();
  const ran: string[] = [];
  for (let work = 0; work < 500; work++) pacer.run(() => undefined);
  pacer.run(() => {
    ran.push('first');
    pacer.run(() => ran.push('third'));
  });
  pacer.run(() => ran.push('second'));
  await nextTurn();
  await nextTurn();
  expect(ran).toEqual(['first', 'second', 'third']);
});

test('work runs at once again in a later turn', async () => {
  const pacer = new Pacer();
  for (let work = 0; work < 700; work++) pacer.run(() => undefined);
  await nextTurn();
  await nextTurn();
  let ran = false;
  pacer.run(() => (ran = true));
  expect(ran).toBe(true);
});
