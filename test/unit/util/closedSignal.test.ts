import { expect, jest, test } from '@jest/globals';
import { NEVER, Observable } from 'rxjs';
import { closedSignal, takeUntilClosed } from '../../../src/util/closedSignal.js';
import { multicast, type Multicast } from '../../../src/util/rx.js';

/** A signal that never fires. Counts its subscribers. */
function neverClosed() {
  const counts = { present: 0, total: 0 };
  const closed = new Observable<void>(() => {
    counts.present += 1;
    counts.total += 1;
    return () => (counts.present -= 1);
  });
  return { closed, counts };
}

test('the signal of a closed client completes all observers, each once', () => {
  const closed: Multicast<void> = multicast({ replay: true });
  const signal = closedSignal(closed);
  const first = { complete: jest.fn() };
  const second = { complete: jest.fn(() => signal.remove(second)) };
  expect([signal.add(first), signal.add(second)]).toEqual([true, true]);

  closed.next();
  closed.next();

  expect(first.complete).toHaveBeenCalledTimes(1);
  expect(second.complete).toHaveBeenCalledTimes(1);
});

test('completes an observer that comes after the end at once', () => {
  const closed: Multicast<void> = multicast({ replay: true });
  const before = { complete: jest.fn() };
  closedSignal(closed).add(before);
  closed.next();
  const late = { complete: jest.fn() };

  expect(closedSignal(closed).add(late)).toBe(false);
  expect(late.complete).toHaveBeenCalledTimes(1);
  expect(before.complete).toHaveBeenCalledTimes(1);
});

test('does not complete an observer that was removed', () => {
  const closed: Multicast<void> = multicast({ replay: true });
  const [removed, kept] = [{ complete: jest.fn() }, { complete: jest.fn() }];
  closedSignal(closed).add(removed);
  closedSignal(closed).add(kept);
  closedSignal(closed).remove(removed);

  closed.next();

  expect(removed.complete).not.toHaveBeenCalled();
  expect(kept.complete).toHaveBeenCalledTimes(1);
});

test('is subscribed to once, as long as there are observers', () => {
  const { closed, counts } = neverClosed();
  const signal = closedSignal(closed);
  const [first, second] = [{ complete: () => undefined }, { complete: () => undefined }];

  for (const observer of [first, second]) signal.add(observer);
  expect(counts).toEqual({ present: 1, total: 1 });
  for (const observer of [first, second]) signal.remove(observer);
  expect(counts.present).toBe(0);
  signal.add(first);
  expect(counts).toEqual({ present: 1, total: 2 });
});

test('is subscribed to once by an Observable that ends with the client at two levels, and left with it', () => {
  const { closed, counts } = neverClosed();
  const subscription = NEVER.pipe(takeUntilClosed(closed), takeUntilClosed(closed)).subscribe();
  expect(counts).toEqual({ present: 1, total: 1 });
  subscription.unsubscribe();
  expect(counts).toEqual({ present: 0, total: 1 });
});

test('completes an observer that comes while others are completed, and keeps their order', () => {
  const closed: Multicast<void> = multicast({ replay: true });
  const completed: string[] = [];
  const signal = closedSignal(closed);
  const late = { complete: () => completed.push('late') };
  signal.add({
    complete: () => {
      signal.add(late);
      completed.push('first');
    },
  });
  signal.add({ complete: () => completed.push('second') });

  closed.next();

  expect(completed).toEqual(['late', 'first', 'second']);
});
