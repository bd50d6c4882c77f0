import { expect, test } from '@jest/globals';
import { Subject, take, type Subscription } from 'rxjs';
import { multicast } from '../../../src/util/rx.js';
import { watching } from '../watch/support.js';

test('tells all who are there, in the order in which they came, until they leave', () => {
  const source = multicast<number>();
  const told: string[] = [];
  const subscriptions = ['a', 'b', 'c'].map((name) => source.subscribe((value) => told.push(`${name}${value}`)));
  source.next(1);
  subscriptions[1]?.unsubscribe();
  source.next(2);
  expect(told).toEqual(['a1', 'b1', 'c1', 'a2', 'c2']);
});

test('a subscriber that another one ends meanwhile is not told; one that comes meanwhile is told of the next value', () => {
  const source = multicast<number>();
  const told: string[] = [];
  const join = (name: string): Subscription => source.subscribe((value) => told.push(`${name}${value}`));
  source.pipe(take(1)).subscribe(() => {
    second.unsubscribe();
    join('late');
  });
  const second = join('second');
  source.next(1);
  source.next(2);
  expect(told).toEqual(['late2']);
});

test('ends late subscribers as a Subject does, with its last value first where it replays', () => {
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

/** Microseconds of CPU to leave a source that so many have subscribed to, the last to come first. */
function leavingTime(source: Subject<never> | ReturnType<typeof multicast<never>>, subscribers: number): number {
  const subscriptions = Array.from({ length: subscribers }, () => source.subscribe());
  // From the middle on: neither the first nor the last in a list are found at once.
  const order = [...subscriptions.slice(subscribers / 2), ...subscriptions.slice(0, subscribers / 2)];
  const before = process.cpuUsage();
  for (const subscription of order) subscription.unsubscribe();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** The least of several runs: other work on the machine only ever adds. */
const leastLeavingTime = (create: () => Subject<never> | ReturnType<typeof multicast<never>>, subscribers: number): number =>
  Math.min(...Array.from({ length: 5 }, () => leavingTime(create(), subscribers)));

test('many leave it in time that grows with their number, not with its square', () => {
  const SUBSCRIBERS = 80_000;
  // Leaving a Subject searches its list each time: with so many it takes twenty times as long.
  expect(leastLeavingTime(() => multicast<never>(), SUBSCRIBERS) * 4).toBeLessThan(leavingTime(new Subject<never>(), SUBSCRIBERS));
});
