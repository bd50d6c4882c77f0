import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { config, NEVER, noop, type Observer } from 'rxjs';
import { RefCounted, RefCountedMap, type RefCountOptions, type Source } from '../../../src/watch/refCounted.js';
import { waitFor } from '../../support/waitFor.js';

class Shared extends RefCounted<string> {
  protected readonly options: RefCountOptions<string> = {};
}

type Member = Observer<string> & { readonly heard: string[] };

function member(): Member {
  const heard: string[] = [];
  return { heard, next: (value) => heard.push(value), error: noop, complete: noop };
}

/** A source that runs until its end is recorded. */
function sourceOf(events: string[]): Source<string> {
  return { subscribe: () => (events.push('begun'), { unsubscribe: () => events.push('ended') }) };
}

test('notifies many subscribers in their order, although some unsubscribed, and ends after the last', () => {
  const shared = new Shared();
  const events: string[] = [];
  const received: number[] = [];
  const members = Array.from({ length: 100 }, (_, index): Member => ({ ...member(), next: () => received.push(index) }));
  for (const one of members) shared.attach(one, () => sourceOf(events));
  const leaving = [0, 99, 50, 1];
  for (const index of leaving) shared.detach(members[index] as Member);
  const late = { ...member(), next: () => received.push(100) };
  shared.attach(late, () => sourceOf(events));
  shared.next('a');
  expect(received).toEqual([...Array.from({ length: 100 }, (_, index) => index).filter((index) => !leaving.includes(index)), 100]);
  for (const one of members) shared.detach(one);
  expect(events).toEqual(['begun']);
  shared.detach(late);
  expect(events).toEqual(['begun', 'ended']);
});

test('an unknown subscriber, or one that unsubscribes twice, ends nothing', () => {
  const shared = new Shared();
  const events: string[] = [];
  const [first, second, stranger] = [member(), member(), member()] as const;
  shared.detach(stranger);
  shared.attach(first, () => sourceOf(events));
  shared.attach(second, () => sourceOf(events));
  shared.detach(first);
  shared.detach(first);
  shared.detach(stranger);
  shared.next('a');
  expect([events, second.heard]).toEqual([['begun'], ['a']]);
  shared.detach(second);
  shared.detach(second);
  expect(events).toEqual(['begun', 'ended']);
});

test('keeps the order while most subscribers unsubscribe and others subscribe', () => {
  const shared = new Shared();
  let received: number[] = [];
  const members = Array.from({ length: 1_000 }, (_, index): Member => ({ ...member(), next: () => received.push(index) }));
  let expected: number[] = [];
  const attach = (index: number): void => {
    shared.attach(members[index] as Member, () => NEVER);
    expected.push(index);
  };
  for (let index = 0; index < 500; index += 1) attach(index);
  for (let index = 500; index < 1_000; index += 1) {
    attach(index);
    // 7 and 1 000 have no common divisor, so each number occurs once.
    for (const leaving of [(index * 7) % 1_000, ((index - 500) * 7) % 1_000]) {
      if (!expected.includes(leaving)) continue;
      shared.detach(members[leaving] as Member);
      expected = expected.filter((other) => other !== leaving);
    }
    received = [];
    shared.next('a');
    expect(received).toEqual(expected);
  }
  expect(expected.length).toBeLessThan(300);
});

test('a subscriber of two sources, which subscribed to one of them twice, is removed once for each time', () => {
  const [one, other] = [new Shared(), new Shared()];
  const [first, guest] = [member(), member()];
  for (const shared of [one, other, one]) {
    shared.attach(first, () => NEVER);
    shared.attach(guest, () => NEVER);
  }
  const heardAfter = (leave: () => void): number => {
    leave();
    guest.heard.length = 0;
    for (const shared of [one, other]) shared.next('a');
    return guest.heard.length;
  };
  expect(heardAfter(noop)).toBe(3);
  expect(heardAfter(() => one.detach(guest))).toBe(2);
  expect(heardAfter(() => one.detach(guest))).toBe(1);
  expect(heardAfter(() => one.detach(guest))).toBe(1);
  expect(heardAfter(() => other.detach(guest))).toBe(0);
});

/** Returns the CPU time of some work, in microseconds. */
function timeOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

function attached(members: number): { readonly shared: Shared; readonly all: readonly Member[] } {
  const shared = new Shared();
  const all = Array.from({ length: members }, member);
  for (const one of all) shared.attach(one, () => NEVER);
  return { shared, all };
}

/** Unsubscribes this many subscribers, those in the middle first. */
function leavingTime(members: number): number {
  const { shared, all } = attached(members);
  return timeOf(() => {
    for (const one of [...all.slice(members / 2), ...all.slice(0, members / 2)]) shared.detach(one);
  });
}

/** Replaces each of this many subscribers after the source has failed, as watches do after the loss of their stream. */
function replacingTime(members: number): number {
  const { shared, all } = attached(members);
  shared.error(new Error('lost'));
  const next = Array.from({ length: members }, member);
  return timeOf(() => {
    for (const [index, one] of all.entries()) {
      shared.detach(one);
      shared.attach(next[index] as Member, () => NEVER);
    }
  });
}

/** Adds this many objects to a Set, and deletes them, for comparison. */
const setTime = (members: number): number => {
  const all = Array.from({ length: members }, member);
  return timeOf(() => {
    const set = new Set(all);
    for (const one of all) set.delete(one);
  });
};

test.each([
  ['unsubscribe', leavingTime],
  ['are replaced after a failure', replacingTime],
])('160 000 subscribers that %s take about the time of a Set, as none is searched for', (_, timeFor) => {
  const least = (time: (members: number) => number): number => Math.min(...Array.from({ length: 3 }, () => time(160_000)));
  // A search for each would take more than 40 times the time of a Set.
  expect(least(timeFor)).toBeLessThan(10 * least(setTime));
});

test('if the end of a source throws, the sources whose time ends together still end', async () => {
  const errors: unknown[] = [];
  config.onUnhandledError = (error) => errors.push(error);
  try {
    const shared = new RefCountedMap<string>(NEVER, { lingerMs: 1 });
    const ended: string[] = [];
    const end = (key: string) => () => {
      if (key === 'b') throw new Error('cannot end');
      ended.push(key);
    };
    const leaving = ['a', 'b', 'c'].map((key) => {
      const one = member();
      const source = shared.attach(key, () => ({ subscribe: () => ({ unsubscribe: end(key) }) }), one);
      return () => source.detach(one);
    });
    for (const leave of leaving) leave();
    await waitFor('the ends', () => ended.length === 2);
    await waitFor('the error', () => errors.length === 1);
    expect([ended, String(errors[0])]).toEqual([['a', 'c'], 'Error: cannot end']);
  } finally {
    config.onUnhandledError = null;
  }
});

test('many sources that linger equally long end over several turns, except one with a new subscriber', async () => {
  const shared = new RefCountedMap<string>(NEVER, { lingerMs: 1 });
  const events: string[] = [];
  const SOURCES = 1_200;
  const members = Array.from({ length: SOURCES }, member);
  const companies = members.map((one, index) => shared.attach(String(index), () => sourceOf(events), one));
  for (const [index, company] of companies.entries()) company.detach(members[index] as Member);
  const ended = (): number => events.filter((event) => event === 'ended').length;
  const byTurn: number[] = [];
  let back = false;
  while (ended() < SOURCES - 1) {
    await nextTurn();
    const before = byTurn.at(-1) ?? 0;
    if (ended() > before) byTurn.push(ended());
    if (!back && ended() > 0) {
      back = true;
      shared.attach(String(SOURCES - 1), () => sourceOf(events), member());
    }
  }
  const most = Math.max(...byTurn.map((count, turn) => count - (byTurn[turn - 1] ?? 0)));
  expect([most <= 1_000, byTurn.length > 1, ended(), events.filter((event) => event === 'begun').length]).toEqual([
    true,
    true,
    SOURCES - 1,
    SOURCES,
  ]);
});
