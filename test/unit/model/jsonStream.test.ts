import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { JsonStream } from '../../../src/model/jsonStream.js';
import { failure } from '../transport/support.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Reads chunks, and returns all messages and the end. */
function read(chunks: readonly Uint8Array[]): unknown[] {
  const stream = new JsonStream(Infinity);
  const objects = chunks.flatMap((chunk) => stream.push(chunk));
  return [...objects, ...stream.end()];
}

/** Splits a text before each of these offsets. */
function cutAt(whole: Uint8Array, offsets: readonly number[]): Uint8Array[] {
  const points = [0, ...offsets.map((offset) => offset % (whole.length + 1)).sort((a, b) => a - b), whole.length];
  return points.slice(1).map((end, index) => whole.slice(points[index], end));
}

// Characters that a scanner of braces and quotes may misread; astral characters are four bytes of UTF-8.
const nasty = fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', '\\', '\n', 'a', ' ', 'é', '漢', '😀', '\u0000'), maxLength: 12 });
const value = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    nasty,
    fc.integer(),
    fc.constantFrom(null, true, false),
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(nasty, tie('any'), { maxKeys: 3 }),
  ),
})).any;
const object = fc.dictionary(nasty, value, { maxKeys: 3 });
const pretty = fc.constantFrom(undefined, 1, '\t');
const delimiters = {
  'a newline': fc.constant('\n'),
  nothing: fc.constant(''),
  'white space of any kind': fc.constantFrom('', '\n', ' ', '\r\n', '\t', '\n\n \n'),
};

describe.each(Object.entries(delimiters))('objects with %s between them', (_, delimiter) => {
  test('are emitted whole, wherever the bytes are split', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(object, pretty, delimiter), { maxLength: 6 }),
        fc.array(fc.nat(400), { maxLength: 12 }),
        (parts, offsets) => {
          const text = parts.map(([json, indent, after]) => JSON.stringify(json, undefined, indent) + after).join('');
          const expected = parts.map(([json, indent]): unknown => JSON.parse(JSON.stringify(json, undefined, indent)));
          expect(read(cutAt(bytes(text), offsets))).toEqual(expected);
        },
      ),
      { numRuns: 500 },
    );
  });
});

test.each(['\n', ''])('three messages with %j between them are read however they are split in two, and byte by byte', (delimiter) => {
  const messages = [{ a: 'é"}{\\' }, { 'k{': [{ b: '😀' }, '\\"'] }, {}];
  const whole = bytes(messages.map((message) => JSON.stringify(message) + delimiter).join(''));
  for (let at = 0; at <= whole.length; at++) expect(read([whole.slice(0, at), whole.slice(at)])).toEqual(messages);
  expect(read([...whole].map((byte) => Uint8Array.of(byte)))).toEqual(messages);
});

test.each(['\n', ''])('an object delimited by %j is emitted with the chunk that contains its end, not with the next', (delimiter) => {
  const stream = new JsonStream(Infinity);
  for (let n = 0; n < 5; n++) expect(stream.push(bytes(JSON.stringify({ n }) + delimiter))).toEqual([{ n }]);
});

test('the first object is emitted before any later byte arrives', () => {
  expect(new JsonStream(Infinity).push(bytes('{"a":1}'))).toEqual([{ a: 1 }]);
});

test('a stream whose objects stop ending with newlines is still read', () => {
  expect(read([bytes('{"a":1}\n{"a":2}\n{"a":3}{"a":4}\n{"a":'), bytes('5}')])).toEqual([1, 2, 3, 4, 5].map((a) => ({ a })));
});

test('a name such as __proto__ is an ordinary name', () => {
  const [parsed] = read([bytes('{"__proto__":{"polluted":true}}\n')]);
  expect(Object.keys(parsed as object)).toEqual(['__proto__']);
  expect({}).not.toHaveProperty('polluted');
});

const SECRET = 'hunter2';

describe('invalid JSON objects are a MalformedResponse that does not quote them', () => {
  test.each([
    ['a page of HTML', `<html>${SECRET}</html>`],
    ['plain text', `Not Found ${SECRET}`],
    ['text after an object', `{"a":1}\n${SECRET}`],
    ['text after a line', `{"a":1}\n{"a":2}\n${SECRET}\n`],
    ['an array', `["${SECRET}"]`],
    ['a string', `"${SECRET}"`],
    ['a number as a line', `{"a":1}\n12345678\n`],
    ['an object with a bad value', `{"a":${SECRET}}`],
    ['mismatched brackets', `{"${SECRET}":[}`],
    ['a closing brace too many', `{}}`],
    ['a control character in a string', `{"a":"${SECRET}\u0001"}`],
  ])('%s', (_, text) => {
    const error = failure(() => read([bytes(text)]));
    expect(error).toMatchObject({ name: 'EtcdError', reason: 'MalformedResponse' });
    expect(String(error)).not.toContain(SECRET);
    expect(String(error)).not.toContain('12345678');
  });

  test('bytes that are not UTF-8', () => {
    expect(failure(() => read([Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)]))).toMatchObject({ reason: 'MalformedResponse' });
  });

  test.each(['{"a":"b', '{"a":1', '{', '{"a":1}\n{"a":2}\n{"a":', '{"a":1}{"a":'])('an end in the middle of an object: %s', (text) => {
    expect(failure(() => read([bytes(text)]))).toMatchObject({ reason: 'MalformedResponse' });
  });
});

test('random bytes give objects or a MalformedResponse, never another error', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.uint8Array({ maxLength: 20 }),
          object.map((json) => bytes(JSON.stringify(json))),
        ),
        { maxLength: 5 },
      ),
      (chunks) => {
        try {
          read(chunks);
        } catch (error) {
          expect(error).toMatchObject({ reason: 'MalformedResponse' });
        }
      },
    ),
    { numRuns: 1_000 },
  );
});

test.each(['\n', ''])(
  'a message eight times as long, delimited by %j, in chunks of 16 KiB takes far less than 64 times the time',
  (delimiter) => {
    const chunksOf = (megabytes: number): Uint8Array[] => {
      const event = { kv: { key: 'YXBwL2NvbG9y', mod_revision: '12', value: 'x'.repeat(300) } };
      const whole = bytes(
        `{}${delimiter}${JSON.stringify({ events: Array.from({ length: Math.ceil((megabytes * 1e6) / 360) }, () => event) })}${delimiter}`,
      );
      return Array.from({ length: Math.ceil(whole.length / 16_384) }, (_, index) => whole.subarray(index * 16_384, (index + 1) * 16_384));
    };
    // Returns the CPU time, the lowest of several runs: other work on the machine is not the parser's.
    const cpuOf = (chunks: readonly Uint8Array[]): number => {
      const start = process.cpuUsage();
      expect(read(chunks)).toHaveLength(2);
      const { user, system } = process.cpuUsage(start);
      return user + system;
    };
    const [eighth, whole] = [chunksOf(3), chunksOf(24)];
    expect(whole.length).toBeGreaterThan(1_000);
    const rounds = Array.from({ length: 7 }, () => ({ eighth: cpuOf(eighth), whole: cpuOf(whole) }));
    const best = (which: 'eighth' | 'whole'): number => Math.min(...rounds.map((round) => round[which]));
    // Linear is 8 to 10, quadratic would be 64.
    expect(best('whole') / best('eighth')).toBeLessThan(24);
  },
);
