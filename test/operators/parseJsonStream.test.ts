import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { from, lastValueFrom, of, toArray, type Observable } from 'rxjs';
import { parseJsonStream } from '../../operators/index.js';
import type { BytesLike } from '../../src/model/bytes.js';
import { logger, runInVirtualTime } from './support.js';

const parsed = (...chunks: readonly BytesLike[]): Promise<unknown[]> => lastValueFrom(from(chunks).pipe(parseJsonStream(), toArray()));

const failure = (source: Observable<unknown>): Promise<unknown> => lastValueFrom(source).catch((error: unknown) => error);

test('emits each object as soon as it is complete', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('--a--b--c--|', { a: '{"a":', b: '1}{"b"', c: ':2}' });
    expectObservable(source.pipe(parseJsonStream())).toBe('-----a--b--|', { a: { a: 1 }, b: { b: 2 } });
    expectSubscriptions(source.subscriptions).toBe('^----------!');
  });
});

test('accepts text and bytes split anywhere, within a character too', async () => {
  const objects = [{ name: 'Größe 😀' }, { nested: { list: ['}', '"{', '\\'] } }, {}];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('', '\n', ' '), fc.boolean(), fc.array(fc.nat({ max: 90 })), async (between, asText, at) => {
      const text = objects.map((object) => JSON.stringify(object)).join(between);
      const whole = asText ? text : new TextEncoder().encode(text);
      const cuts = [0, ...at.map((offset) => Math.min(offset, whole.length)).sort((a, b) => a - b), whole.length];
      expect(await parsed(...cuts.slice(1).map((end, index) => whole.slice(cuts[index], end)))).toEqual(objects);
    }),
    { numRuns: 50 },
  );
});

describe('parseJsonStream of invalid input', () => {
  test.each([
    ['{"a":1}?', '?'],
    ['{"a"}', '{"a"}'],
    ['{"a":1}{"b":', '{"b":'],
  ])('errors with the bytes that could not be read: %s', async (text, left) => {
    const error = await failure(of(text).pipe(parseJsonStream()));
    expect(error).toMatchObject({ reason: 'MalformedResponse', bytes: new TextEncoder().encode(left) });
    expect(String(error)).not.toContain(left);
  });

  test('errors if an object is longer than allowed', async () => {
    expect(await failure(of('{"a":"', 'aaaa').pipe(parseJsonStream({ maxBytes: 8 })))).toMatchObject({
      reason: 'ResponseTooLarge',
      message: expect.stringContaining('the option maxBytes'),
    });
  });

  test('throws InvalidArgument, as for an unknown option', () => {
    expect(() => parseJsonStream({ maxBytes: 0 })).toThrow('maxBytes of parseJsonStream');
  });
});

test('the example', () => {
  const console = logger();
  of('{"result":{"created":tr', 'ue}}{"result":{}}')
    .pipe(parseJsonStream())
    .subscribe((message) => console.log(JSON.stringify(message)));
  expect(console.lines).toEqual(['{"result":{"created":true}}', '{"result":{}}']);
});
