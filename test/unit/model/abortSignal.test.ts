import { getEventListeners } from 'node:events';
import { expect, test } from '@jest/globals';
import { onAbort } from '../../../src/util/rx.js';

const listenersOn = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

test('any number wait for a signal behind one listener, which goes with the last of them', () => {
  const { signal } = new AbortController();
  const off = Array.from({ length: 100 }, () => onAbort(signal, () => undefined));
  expect(listenersOn(signal)).toBe(1);
  const [last, ...others] = off;
  for (const call of others) call();
  // Twice is once.
  others[0]?.();
  expect(listenersOn(signal)).toBe(1);
  last?.();
  expect(listenersOn(signal)).toBe(0);
  onAbort(signal, () => undefined);
  expect(listenersOn(signal)).toBe(1);
});

test('all are told, in their order, each once, and but for those that have called it off', () => {
  const controller = new AbortController();
  const told: string[] = [];
  const tell = (name: string) => onAbort(controller.signal, () => told.push(name));
  tell('first');
  tell('gone')();
  const same = (): unknown => told.push('same');
  onAbort(controller.signal, same);
  onAbort(controller.signal, same);
  controller.abort();
  controller.signal.dispatchEvent(new Event('other'));
  expect(told).toEqual(['first', 'same', 'same']);
});
