import { afterEach, describe, expect, test } from '@jest/globals';
import { config, Observable, Subject, Subscription, take, type Observer } from 'rxjs';
import { LightObservable } from '../../../src/util/lightObservable.js';
import { watching } from './support.js';

/** The subscribers, and the calls that were made for them. */
function company<T>() {
  const members: Observer<T>[] = [];
  const left: Observer<T>[] = [];
  const detach = (member: Observer<T>): void => {
    left.push(member);
    members.splice(members.indexOf(member), 1);
  };
  const attach = (member: Observer<T>): { detach: typeof detach } => {
    members.push(member);
    return { detach };
  };
  return { members, left, attach };
}

type Made = ReturnType<typeof company<number>> & { readonly source: Observable<number> };

/** Runs the same test with ours and with RxJS's own Observable. */
const kinds: readonly (readonly [string, () => Made])[] = [
  [
    'a LightObservable',
    () => {
      const made = company<number>();
      return { ...made, source: new LightObservable(made.attach) };
    },
  ],
  [
    'an Observable of RxJS',
    () => {
      const made = company<number>();
      const source = new Observable<number>((subscriber) => {
        const { detach } = made.attach(subscriber);
        return () => detach(subscriber);
      });
      return { ...made, source };
    },
  ],
];

/** Resolves with the uncaught errors, once there are this many. */
function unhandled(count: number): Promise<unknown[]> {
  const errors: unknown[] = [];
  return new Promise((resolve) => {
    config.onUnhandledError = (error) => {
      errors.push(error);
      if (errors.length === count) resolve(errors);
    };
  });
}
afterEach(() => {
  config.onUnhandledError = null;
});

describe.each(kinds)('a subscriber of %s', (_, make) => {
  test('is notified by a function, by any functions of an observer, or by three', () => {
    const { source, members } = make();
    const received: string[] = [];
    const say = (what: string): void => void received.push(what);
    source.subscribe((value) => say(`function ${value}`));
    source.subscribe({ next: (value) => say(`next ${value}`) });
    source.subscribe({ complete: () => say('complete') });
    // The old form of `subscribe`, with functions that may be missing.
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- programs use it all the same
    const subscribe = source.subscribe.bind(source) as (...functions: unknown[]) => Subscription;
    subscribe(
      (value: number) => say(`first of three ${value}`),
      null,
      () => say('third of three'),
    );
    subscribe(undefined, undefined, () => say('third alone'));
    subscribe(null);
    subscribe({ complete: () => say('observer') }, null, () => say('not beside an observer'));
    source.subscribe();
    expect(members).toHaveLength(8);
    for (const member of [...members]) member.next(1);
    for (const member of [...members]) member.complete();
    expect(received).toEqual(['function 1', 'next 1', 'first of three 1', 'complete', 'third of three', 'third alone', 'observer']);
  });

  test('is called with its observer as `this`', () => {
    const { source, members } = make();
    class Sum {
      sum = 0;
      next(value: number): void {
        this.sum += value;
      }
      complete(): void {
        this.sum *= 10;
      }
    }
    const observer = new Sum();
    source.subscribe(observer);
    members[0]!.next(2);
    members[0]!.complete();
    expect(observer.sum).toBe(20);
  });

  test('receives nothing after the end, and is unsubscribed by then', () => {
    const { source, members, left } = make();
    const [completing, failing, leaving] = [watching(source), watching(source), watching(source)];
    const [first, second, third] = [...members];
    first!.complete();
    second!.error('broken');
    leaving.leave();
    leaving.leave();
    for (const member of [first!, second!, third!]) {
      member.next(1);
      member.error('late');
      member.complete();
    }
    expect([completing, failing, leaving].map(({ values, errors, completed }) => [values, errors, completed])).toEqual([
      [[], [], true],
      [[], ['broken'], false],
      [[], [], false],
    ]);
    expect(left).toEqual([first, second, third]);
  });

  test('has a Subscription that is open until the end, and runs the added teardowns', () => {
    const { source, members } = make();
    const ended: string[] = [];
    const open = source.subscribe();
    const parent = new Subscription();
    parent.add(open);
    open.add(() => ended.push('with a leave'));
    expect([open instanceof Subscription, open.closed]).toEqual([true, false]);
    parent.unsubscribe();
    expect([open.closed, members.length]).toEqual([true, 0]);
    const completed = source.subscribe();
    completed.add(() => ended.push('with the end'));
    members[0]!.complete();
    expect([completed.closed, ended]).toEqual([true, ['with a leave', 'with the end']]);
  });

  test('that throws for a value does not affect the others, and receives the next', async () => {
    const { source, members } = make();
    const values: number[] = [];
    const thrown = unhandled(3);
    const fail = (what: string): never => {
      throw new Error(what);
    };
    source.subscribe((value) => (value === 1 ? fail('in a function') : values.push(value)));
    source.subscribe({ next: (value) => values.push(value), error: () => fail('in error') });
    source.subscribe({ next: (value) => values.push(value), complete: () => fail('in complete') });
    const [, second, third] = [...members];
    for (const member of [...members]) member.next(1);
    for (const member of [...members]) member.next(2);
    second!.error('broken');
    third!.complete();
    expect(values).toEqual([1, 1, 2, 2, 2]);
    expect(members).toHaveLength(1);
    expect(await thrown).toEqual([new Error('in a function'), new Error('in error'), new Error('in complete')]);
  });

  test('without an error handler has the error thrown asynchronously, and does not affect the others', async () => {
    const { source, members } = make();
    const thrown = unhandled(2);
    source.subscribe(() => undefined);
    source.subscribe({ complete: () => undefined });
    for (const member of [...members]) member.error(new Error('broken'));
    expect(members).toEqual([]);
    expect(await thrown).toEqual([new Error('broken'), new Error('broken')]);
  });

  test.each<[string, (member: Observer<number>) => void]>([
    ['an error', (member) => member.error(new Error('broken'))],
    ['the completion', (member) => member.complete()],
  ])('receives nothing more once it is being notified of %s', (_end, end) => {
    const { source, members, left } = make();
    const seen: string[] = [];
    const atEnd = (name: string): void => {
      // The callback may cause another end, for example by closing the client.
      if (seen.push(name) > 1) return;
      for (const member of [...members]) {
        member.next(1);
        member.complete();
        member.error(new Error('again'));
      }
    };
    source.subscribe({ next: () => seen.push('next'), error: () => atEnd('error'), complete: () => atEnd('complete') });
    for (const member of [...members]) end(member);
    expect([seen.length, left.length, members.length]).toEqual([1, 1, 0]);
  });

  test('may use operators, or be a Subject', () => {
    const { source, members, left } = make();
    const subject = new Subject<number>();
    const [first, all] = [watching(source.pipe(take(1))), watching(subject)];
    source.subscribe(subject);
    for (const value of [1, 2]) for (const member of [...members]) member.next(value);
    expect([first.values, first.completed, all.values]).toEqual([[1], true, [1, 2]]);
    expect([left.length, members.length]).toEqual([1, 1]);
  });
});

describe.each([
  ['a LightObservable', (attach: (member: Observer<number>) => { detach: () => void }) => new LightObservable(attach)],
  [
    'an Observable of RxJS',
    (attach: (member: Observer<number>) => { detach: () => void }) => new Observable<number>((subscriber) => attach(subscriber).detach),
  ],
])('%s that ends synchronously', (_, make) => {
  test('is torn down, whether it completed or errored', () => {
    let left = 0;
    const source = make((member) => {
      member.next(1);
      member.complete();
      return { detach: () => (left += 1) };
    });
    expect(watching(source)).toMatchObject({ values: [1], completed: true });
    expect(watching(source.pipe(take(1)))).toMatchObject({ values: [1], completed: true });
    expect(left).toBe(2);
  });

  test('because it cannot be started errors with the reason', () => {
    const broken = make(() => {
      throw new Error('broken');
    });
    expect(watching(broken).errors).toEqual([new Error('broken')]);
  });
});
