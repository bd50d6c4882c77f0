import { describe, expect, test } from '@jest/globals';
import { defer, finalize, Subject, type Observable } from 'rxjs';
import { EtcdError } from '../../../src/errors/index.js';
import { type WatchTarget, RevisionReader } from '../../../src/watch/messages.js';
import { watching, type Seen } from './support.js';

/** Requests to a store that responds when the test lets it. */
function setUp() {
  const asked: { readonly key: unknown; readonly answer: Subject<number>; left: boolean }[] = [];
  const revision = new RevisionReader(({ key }: WatchTarget): Observable<number> =>
    defer(() => {
      const question = { key, answer: new Subject<number>(), left: false };
      asked.push(question);
      return question.answer.pipe(finalize(() => (question.left = true)));
    }),
  );
  return {
    keys: () => asked.map(({ key }) => key),
    open: () => asked.filter(({ left }) => !left).length,
    answer: (index: number, value: number) => {
      asked[index]?.answer.next(value);
      asked[index]?.answer.complete();
    },
    fail: (index: number, error: EtcdError) => asked[index]?.answer.error(error),
    of: (key: string): Seen<number> => watching(revision.of({ key, filter: {} })),
  };
}

describe('the revision of the store', () => {
  test('is requested at once, and once more for all calls made meanwhile', () => {
    const { of, keys, answer } = setUp();
    const first = of('a');
    const others = ['b', 'c', 'd'].map(of);
    expect(keys()).toEqual(['a']);
    answer(0, 7);
    expect(keys()).toEqual(['a', 'b']);
    expect([first, ...others].map(({ values }) => values)).toEqual([[7], [], [], []]);
    const late = of('e');
    answer(1, 9);
    expect(others.map(({ values, completed }) => [...values, completed])).toEqual([[9, true], [9, true], [9, true]]); // prettier-ignore
    // A new subscriber does not get the response to an earlier request.
    expect([keys(), late.values]).toEqual([['a', 'b', 'e'], []]);
    answer(2, 10);
    expect(late.values).toEqual([10]);
    of('f');
    expect(keys()).toEqual(['a', 'b', 'e', 'f']);
  });

  test('is requested separately for each if the user of the shared request may not read it', () => {
    const { of, keys, answer, fail } = setUp();
    of('a');
    const [denied, permitted] = [of('b'), of('c')];
    answer(0, 7);
    fail(1, new EtcdError('PermissionDenied', 'scripted'));
    expect([denied.errors.length, permitted.errors.length, keys()]).toEqual([1, 0, ['a', 'b', 'c']]);
    answer(2, 8);
    expect(permitted.values).toEqual([8]);
  });

  test('that could not be read is an error for all callers, and the next call requests it again', () => {
    const { of, keys, fail, answer } = setUp();
    const first = of('a');
    const second = of('b');
    fail(0, new EtcdError('Unreachable', 'scripted'));
    expect([first.errors.length, second.errors.length, keys()]).toEqual([1, 0, ['a', 'b']]);
    fail(1, new EtcdError('Unreachable', 'scripted'));
    expect(second.errors).toHaveLength(1);
    const again = of('c');
    answer(2, 8);
    expect(again.values).toEqual([8]);
  });

  test('is no longer requested when all callers have unsubscribed', () => {
    const { of, keys, open, answer } = setUp();
    const seen = [of('a'), of('b'), of('c')];
    for (const { leave } of seen) leave();
    expect([open(), keys()]).toEqual([0, ['a']]);
    const next = of('d');
    answer(1, 8);
    expect([next.values, open()]).toEqual([[8], 0]);
  });

  test('is requested although the first caller has unsubscribed', () => {
    const { of, answer } = setUp();
    const first = of('a');
    const second = of('b');
    first.leave();
    answer(0, 7);
    answer(1, 8);
    expect(second.values).toEqual([8]);
  });
});
