import { expect, test } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import { LazyModule } from '../../../src/util/rx.js';

test('a module is loaded on first use, and emitted synchronously from then on', async () => {
  let loads = 0;
  const module = new LazyModule(() => Promise.resolve(++loads));
  expect(loads).toBe(0);
  expect(await firstValueFrom(module.module$)).toBe(1);
  const seen: number[] = [];
  module.module$.subscribe((value) => seen.push(value));
  expect(seen).toEqual([1]);
});

test('a module that cannot be loaded is an error, and the next use loads it again', async () => {
  const outcomes = [Promise.reject(new TypeError('Failed to fetch')), Promise.resolve('loaded')];
  const module = new LazyModule(() => outcomes.shift() ?? Promise.reject(new Error('a third try')));
  await expect(firstValueFrom(module.module$)).rejects.toMatchObject({
    name: 'EtcdError',
    reason: 'Unreachable',
    message: expect.stringMatching(/a part of rxetcd cannot be loaded: Failed to fetch/),
  });
  expect(await firstValueFrom(module.module$)).toBe('loaded');
});
