import { expect, test } from '@jest/globals';
import { asyncScheduler, timer } from 'rxjs';
import { SharedTimeout } from '../../../src/util/time.js';
import { HOUR } from '../concurrency/support.js';
import { runInVirtualTime } from '../../support/fakes/fakeTransport.js';

test('deadlines pass one by one, each in its time', () => {
  const due: number[] = [];
  runInVirtualTime(({ flush }) => {
    const deadlines = new SharedTimeout(1_000);
    const start = asyncScheduler.now();
    for (const at of [0, 1, 400, 999, 1_000, 5_000]) timer(at).subscribe(() => deadlines.set(() => due.push(asyncScheduler.now() - start)));
    flush();
  });
  expect(due).toEqual([1_000, 1_001, 1_400, 1_999, 2_000, 6_000]);
});

test('a cancelled deadline does not pass, and the others do', () => {
  const due: string[] = [];
  runInVirtualTime(({ flush }) => {
    const deadlines = new SharedTimeout(1_000);
    const off = [deadlines.set(() => due.push('first')), deadlines.set(() => due.push('second'))];
    timer(500).subscribe(() => deadlines.set(() => due.push('third')));
    timer(600).subscribe(() => off.forEach((callOff) => callOff()));
    flush();
  });
  expect(due).toEqual(['third']);
});

test('the action of a deadline may set another, and cancel one', () => {
  const due: [string, number][] = [];
  runInVirtualTime(({ flush }) => {
    const deadlines = new SharedTimeout(100);
    const start = asyncScheduler.now();
    const note = (name: string) => (): void => void due.push([name, asyncScheduler.now() - start]);
    deadlines.set(() => {
      note('first')();
      deadlines.set(note('set by the first'));
      callOff();
    });
    let callOff = (): void => undefined;
    timer(10).subscribe(() => deadlines.set(note('ten later')));
    timer(20).subscribe(() => (callOff = deadlines.set(note('called off'))));
    flush();
  });
  expect(due).toEqual([
    ['first', 100],
    ['ten later', 110],
    ['set by the first', 200],
  ]);
});

test.each([-HOUR, HOUR])('a step of the wall clock by %d ms moves no deadline', (step) => {
  const due: number[] = [];
  runInVirtualTime(({ at, now, stepWall, flush }) => {
    const deadlines = new SharedTimeout(1_000);
    for (const ms of [0, 100, 900]) at(ms, () => deadlines.set(() => due.push(now())));
    at(500, () => stepWall(step));
    flush();
  });
  expect(due).toEqual([1_000, 1_100, 1_900]);
});

test('no timer is left when all deadlines are cancelled', () => {
  runInVirtualTime(({ flush }) => {
    const deadlines = new SharedTimeout(3_600_000);
    const start = asyncScheduler.now();
    const off = Array.from({ length: 1_000 }, () => deadlines.set(() => undefined));
    timer(5).subscribe(() => off.forEach((callOff) => callOff()));
    flush();
    expect(asyncScheduler.now() - start).toBe(5);
  });
});
