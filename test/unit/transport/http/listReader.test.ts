import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { kvRpcs, RangeResponse } from '../../../../src/codec/kv.js';
import { type LongList, type Rpc, INVALID } from '../../../../src/codec/descriptors.js';
import { toBase64 } from '../../../../src/model/bytes.js';
import { ListReader } from '../../../../src/transport/json/listReader.js';
import { failure } from '../support.js';

const list = listOf(kvRpcs.range);
type Answer = Exclude<ReturnType<typeof RangeResponse.read>, typeof INVALID>;

function listOf<A>({ list: found }: Rpc<never, A>): LongList<A> {
  if (found === undefined) throw new Error('its answer has no list');
  return found;
}

function decoded(text: string): Answer {
  const answer = RangeResponse.read(JSON.parse(text));
  if (answer === INVALID) throw new Error('it was refused');
  return answer;
}

function readerOf(chunks: readonly Uint8Array[], partBytes?: number): ListReader<Answer> {
  const reader = new ListReader<Answer>(list, partBytes);
  for (const chunk of chunks) reader.push(Buffer.from(chunk));
  return reader;
}

/** Splits a text before each of these offsets. */
function cutAt(text: string, offsets: readonly number[]): Buffer[] {
  const whole = Buffer.from(text);
  const points = [0, ...offsets.map((offset) => offset % (whole.length + 1)).sort((a, b) => a - b), whole.length];
  return points.slice(1).map((end, index) => whole.subarray(points[index], end));
}

const header = { cluster_id: '1', member_id: '2', revision: '7', raft_term: '3' };
const kvOf = (key: string, value: string): object => ({ key: toBase64(key), mod_revision: '5', value: toBase64(value) });
const kv = fc.tuple(fc.string({ minLength: 1, maxLength: 9 }), fc.string({ maxLength: 30 })).map(([key, value]) => kvOf(key, value));
/** Formats JSON as a gateway may: v2 adds white space at random places. */
const space = fc.constantFrom('', ' ', '\n', ' \t');

describe('a list that is decoded while it arrives', () => {
  test('equals the list of the whole response, wherever the bytes are split', () => {
    fc.assert(
      fc.property(
        fc.array(kv, { maxLength: 12 }),
        fc.array(fc.nat(3_000), { maxLength: 12 }),
        fc.constantFrom(1, 10, 60, 300),
        space,
        fc.boolean(),
        (kvs, offsets, partBytes, gap, headed) => {
          const elements = kvs.map((each) => JSON.stringify(each)).join(`${gap},${gap}`);
          const before = headed ? `"header"${gap}:${gap}${JSON.stringify(header)}${gap},${gap}` : '';
          const text = `${gap}{${before}"kvs"${gap}:${gap}[${gap}${elements}${gap}]${gap},"more"${gap}:true,"count":"99"}${gap}`;
          const reader = readerOf(cutAt(text, offsets), partBytes);
          expect(reader.complete(decoded(reader.text))).toEqual(decoded(text));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('leaves only a part for the end, so that no turn takes as long as the response', () => {
    const elements = Array.from({ length: 20_000 }, (_, index) => kvOf(`key/${index}`, 'v'.repeat(64)));
    const text = JSON.stringify({ header, kvs: elements, more: true, count: '50000' });
    const chunks = cutAt(
      text,
      Array.from({ length: text.length / 65_536 }, (_, index) => index * 65_536),
    );
    const reader = readerOf(chunks);
    expect(text.length).toBeGreaterThan(2 ** 21);
    expect(reader.text.length).toBeLessThan(2 ** 19);
    expect(reader.complete(decoded(reader.text))).toEqual(decoded(text));
  });

  test('is decoded as a whole if an element has an unknown form, with the usual error', () => {
    const parts = (text: string): ListReader<Answer> => readerOf(cutAt(text, [50, 100, 150, 200]), 20);
    const good = JSON.stringify(kvOf('a', 'b'));
    const wrong = parts(`{"kvs":[${good},{"key":5},${good}]}`);
    expect(RangeResponse.read(JSON.parse(wrong.text))).toBe(INVALID);
    for (const text of [
      `{"kvs":[${good},oops,${good}]}`,
      `{"kvs":[${good},${good}`,
      `{"kvs":[${good} ${good}]}`,
      `{"kvs":[${good}]}]}`,
      `{"kvs":[${good},]}`,
    ]) {
      expect(failure(() => JSON.parse(parts(text).text))).toBeInstanceOf(SyntaxError);
    }
  });

  test('accepts fields of later servers, nested and with braces in their text', () => {
    const elements = Array.from({ length: 9 }, (_, index) => ({ ...kvOf(`k${index}`, 'v'), extra: { text: '},{"a":[' } }));
    const text = JSON.stringify({ header, extra: { kvs: [1] }, kvs: elements });
    for (const each of [text, text.replace('"extra":{"kvs":[1]},', '')]) {
      for (let cut = 0; cut < each.length; cut++) {
        const reader = readerOf(cutAt(each, [cut]), 1);
        expect(reader.complete(decoded(reader.text))).toEqual(decoded(each));
      }
    }
  });

  test('leaves a response without it unchanged', () => {
    for (const text of ['{"error":"etcdserver: x","code":5}', '{}', 'Not Found', `{"header":${JSON.stringify(header)},"count":"5"}`]) {
      expect(readerOf(cutAt(text, [1, 2, 9, 20]), 4).text).toBe(text);
    }
  });

  test('scans a long element a few times, and not at each chunk', () => {
    const text = JSON.stringify({ header, kvs: [kvOf('a', 'x'.repeat(2_000_000)), kvOf('b', 'y')] });
    const whole = Buffer.from(text);
    let copied = 0;
    const concat = Buffer.concat.bind(Buffer);
    const reader = new ListReader<Answer>(list);
    try {
      Buffer.concat = (parts) => {
        const joined = concat(parts);
        copied += joined.length;
        return joined;
      };
      for (let start = 0; start < whole.length; start += 1_000) reader.push(whole.subarray(start, start + 1_000));
    } finally {
      Buffer.concat = concat;
    }
    expect(copied).toBeLessThan(3 * whole.length);
    expect(reader.complete(decoded(reader.text))).toEqual(decoded(text));
  });
});
