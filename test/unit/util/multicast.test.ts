import { expect, test } from '@jest/globals';
import { Subject, take, type Subscription } from 'rxjs';
import { multicast } from '../../../src/util/rx.js';
import { watching } from '../watch/support.js';

test('notifies all subscribers, in the order of their subscriptions, until they unsubscribe', () => {
  const source = multicast<number>();
  const received: string[] = [];
  const subscriptions = ['a', 'b', 'c'].map((name) => source.subscribe((value) => received.push(`${name}${value}`)));
  source.next(1);
  subscriptions[1]?.unsubscribe();
  source.next(2);
  expect(received).toEqual(['a1', 'b1', 'c1', 'a2', 'c2']);
});

test('a subscriber that another one unsubscribes meanwhile is not notified; a new one gets the next value', () => {
  const source = multicast<number>();
  const received: string[] = [];
  const join = (name: string): Subscription => source.subscribe((value) => received.push(`${name}${value}`));
  source.pipe(take(1)).subscribe(() => {
    second.unsubscribe();
    join('late');
  });
  const second = join('second');
  source.next(1);
  source.next(2);
  expect(received).toEqual(['late2']);
});

test('late subscribers complete as with a Subject, after the last value if it is replayed', () => {
  for (const [replay, values] of [
    [false, []],
    [true, [2]],
  ] as const) {
    const completed = multicast<number>({ replay });
    completed.next(1);
    completed.next(2);
    completed.complete();
    completed.next(3);
    completed.error('too late');
    expect(watching(completed)).toMatchObject({ values, errors: [], completed: true });
    const failed = multicast<number>({ replay });
    failed.next(2);
    failed.error('broken');
    expect(watching(failed)).toMatchObject({ values, errors: ['broken'], completed: false });
  }
});

/** Returns the CPU time, in microseconds, to unsubscribe this many subscribers of a source, the last one first. */
function leavingTime(source: Subject<never> | ReturnType<typeof multicast<never>>, subscribers: number): number {
  const subscriptions = Array.from({ length: subscribers }, () => source.subscribe());
  // Begins in the middle: neither the first nor the last in a list can be found at once.
  const order = [...subscriptions.slice(subscribers / 2), ...subscriptions.slice(0, subscribers / 2)];
  const before = process.cpuUsage();
  for (const subscription of order) subscription.unsubscribe();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** Returns the lowest of several runs: other work on the machine only adds time. */
const leastLeavingTime = (create: () => Subject<never> | ReturnType<typeof multicast<never>>, subscribers: number): number =>
  Math.min(...Array.from({ length: 5 }, () => leavingTime(create(), subscribers)));

test('many subscribers unsubscribe in linear time', () => {
  const SUBSCRIBERS = 80_000;
  // A Subject searches its list at each unsubscribe: with this many subscribers it takes twenty times as long.
  expect(leastLeavingTime(() => multicast<never>(), SUBSCRIBERS) * 4).toBeLessThan(leavingTime(new Subject<never>(), SUBSCRIBERS));
});
