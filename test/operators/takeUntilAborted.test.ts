import { getEventListeners } from 'node:events';
import { expect, test } from '@jest/globals';
import { of, Subject, throwError, timer } from 'rxjs';
import { takeUntilAborted } from '../../operators/index.js';
import { logger, put, runInVirtualTime } from './support.js';

test('completes when the signal is aborted, and unsubscribes from the source', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const controller = new AbortController();
    const source = cold('-a-b-c-d-');
    expectObservable(source.pipe(takeUntilAborted(controller.signal))).toBe('-a-b-|');
    expectSubscriptions(source.subscriptions).toBe('^----!');
    timer(5).subscribe(() => controller.abort());
  });
});

test('completes at once for an aborted signal, without subscribing to the source', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a-b-');
    expectObservable(source.pipe(takeUntilAborted(AbortSignal.abort()))).toBe('|');
    expectSubscriptions(source.subscriptions).toBe([]);
  });
});

test('the second subscription completes for a signal that was aborted after the first', () => {
  const controller = new AbortController();
  const stream = of(1).pipe(takeUntilAborted(controller.signal));
  const seen: number[] = [];
  stream.subscribe((value) => seen.push(value));
  controller.abort();
  stream.subscribe((value) => seen.push(value));
  expect(seen).toEqual([1]);
});

test('removes its listener from the signal, however it ends', () => {
  const controller = new AbortController();
  const listeners = (): number => getEventListeners(controller.signal, 'abort').length;
  const until = takeUntilAborted<number>(controller.signal);

  of(1).pipe(until).subscribe();
  throwError(() => new Error('boom'))
    .pipe(takeUntilAborted(controller.signal))
    .subscribe({ error: () => undefined });
  expect(listeners()).toBe(0);

  const subscription = new Subject<number>().pipe(until).subscribe();
  expect(listeners()).toBe(1);
  subscription.unsubscribe();
  expect(listeners()).toBe(0);

  new Subject<number>().pipe(until).subscribe();
  controller.abort();
  expect(listeners()).toBe(0);
});

test('the example', () => {
  const a = new Subject<string>();
  const etcd = { watch: () => a };
  const console = logger();
  const stop = new AbortController();

  etcd
    .watch()
    .pipe(takeUntilAborted(stop.signal))
    .subscribe({
      next: (value) => console.log(put('a', value, 2).kv.value),
      complete: () => console.log('stopped'),
    });
  a.next('1');
  stop.abort();
  a.next('2');

  expect(console.lines).toEqual(['1', 'stopped']);
});
