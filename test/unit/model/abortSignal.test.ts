import { getEventListeners } from 'node:events';
import { expect, test } from '@jest/globals';
import { onAbort } from '../../../src/util/rx.js';

const listenersOn = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

test('any number of waiters share one listener of a signal, which is removed with the last of them', () => {
  const { signal } = new AbortController();
  const off = Array.from({ length: 100 }, () => onAbort(signal, () => undefined));
  expect(listenersOn(signal)).toBe(1);
  const [last, ...others] = off;
  for (const call of others) call();
  // A second abort has no effect.
  others[0]?.();
  expect(listenersOn(signal)).toBe(1);
  last?.();
  expect(listenersOn(signal)).toBe(0);
  onAbort(signal, () => undefined);
  expect(listenersOn(signal)).toBe(1);
});

test('all listeners are called in order, each once, without those that were removed', () => {
  const controller = new AbortController();
  const called: string[] = [];
  const tell = (name: string) => onAbort(controller.signal, () => called.push(name));
  tell('first');
  tell('gone')();
  const same = (): unknown => called.push('same');
  onAbort(controller.signal, same);
  onAbort(controller.signal, same);
  controller.abort();
  controller.signal.dispatchEvent(new Event('other'));
  expect(called).toEqual(['first', 'same', 'same']);
});
