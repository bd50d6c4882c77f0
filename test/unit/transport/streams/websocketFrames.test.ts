import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ProtocolError, frameOf, FrameReader } from '../../../../src/node/websocketFrames.js';

/** Creates a frame of a server by RFC 6455, 5.2, with the shortest form of its length. */
function serverFrame(first: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const extended = Buffer.alloc(length < 126 ? 0 : length < 65_536 ? 2 : 8);
  if (extended.length === 2) extended.writeUInt16BE(length);
  if (extended.length === 8) extended.writeBigUInt64BE(BigInt(length));
  return Buffer.concat([Buffer.of(first, extended.length === 0 ? length : extended.length === 2 ? 126 : 127), extended, payload]);
}

const text = (value: string, first = 0x81): Buffer => serverFrame(first, Buffer.from(value));

/** Returns the messages in these chunks, and the close code, if there is one. */
function readIn(chunks: readonly Buffer[], maxBytes = 1_000_000): unknown[] {
  const read: unknown[] = [];
  const frames = new FrameReader(maxBytes, {
    message: (message) => read.push(message),
    ping: (payload) => read.push({ ping: Buffer.from(payload).toString() }),
    close: (code) => read.push({ close: code }),
  });
  try {
    for (const chunk of chunks) frames.push(chunk);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    read.push({ bad: error.code });
  }
  return read;
}

/** Splits bytes at these offsets. */
function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

describe('messages of a server', () => {
  test('are read whole, in any frames, wherever they are split', () => {
    const message = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.integer({ min: 120, max: 70_000 }).map((n) => 'é'.repeat(n)),
    );
    const said = fc.record({ message, parts: fc.array(fc.nat(), { maxLength: 3 }), ping: fc.boolean(), opcode: fc.constantFrom(1, 2) });
    fc.assert(
      fc.property(fc.array(said, { maxLength: 4 }), fc.array(fc.nat(), { maxLength: 8 }), (messages, cuts) => {
        const frames = messages.flatMap((one) => {
          const parts = cutAt(Buffer.from(one.message), one.parts);
          return parts.flatMap((part, index) => [
            serverFrame((index === parts.length - 1 ? 0x80 : 0) | (index === 0 ? one.opcode : 0), part),
            // Control frames may also come between the parts of a message.
            ...(one.ping ? [serverFrame(0x89, Buffer.from('now')), serverFrame(0x8a, Buffer.from('then'))] : []),
          ]);
        });
        const expected = messages.flatMap((one) => {
          const pings = one.ping ? one.parts.map(() => ({ ping: 'now' })) : [];
          return [...pings, one.message, ...(one.ping ? [{ ping: 'now' }] : [])];
        });
        expect(readIn(cutAt(Buffer.concat(frames), cuts))).toEqual(expected);
      }),
    );
  });

  test('are read byte by byte', () => {
    const bytes = Buffer.concat([text('{}'), text('x'.repeat(200)), text('y'.repeat(66_000))]);
    expect(readIn([...bytes].map((byte) => Buffer.of(byte)))).toEqual(['{}', 'x'.repeat(200), 'y'.repeat(66_000)]);
  });

  test.each<[string, Buffer, unknown]>([
    ['a close', serverFrame(0x88, Buffer.alloc(0)), { close: 1005 }],
    ['a close with a code and a reason', serverFrame(0x88, Buffer.from([0x03, 0xe9, 0x6f, 0x6b])), { close: 1001 }],
    ['data after its close', Buffer.concat([serverFrame(0x88, Buffer.alloc(0)), text('{}'), text('{}', 0x83)]), { close: 1005 }],
    ['a reserved code', serverFrame(0x88, Buffer.of(0x03, 0xee)), { bad: 1002 }],
    ['an unknown code', serverFrame(0x88, Buffer.of(0x13, 0x88)), { bad: 1002 }],
    ['half a code', serverFrame(0x88, Buffer.of(3)), { bad: 1002 }],
    ['a reserved bit', text('{}', 0xc1), { bad: 1002 }],
    ['an unknown opcode', text('{}', 0x83), { bad: 1002 }],
    ['an unknown control frame', text('{}', 0x8b), { bad: 1002 }],
    ['a long ping', serverFrame(0x89, Buffer.alloc(126)), { bad: 1002 }],
    ['a fragmented ping', text('', 0x09), { bad: 1002 }],
    ['a continuation of nothing', text('{}', 0x80), { bad: 1002 }],
    ['a message within a message', Buffer.concat([text('{', 0x01), text('{}')]), { bad: 1002 }],
    ['a frame that is masked', Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x7b, 0x7d]), { bad: 1002 }],
    ['bytes that are not UTF-8', serverFrame(0x81, Buffer.of(0xff, 0xfe)), { bad: 1007 }],
  ])('are ended by %s', (_, bytes, end) => {
    expect(readIn([Buffer.concat([text('[]'), bytes])])).toEqual(['[]', end]);
  });

  test('take no more memory than their text, in any number of parts', () => {
    const parts = Buffer.concat(Array.from({ length: 1_000_000 }, () => Buffer.of(0, 0)));
    const before = process.memoryUsage().heapUsed;
    let used = 0;
    const frames = new FrameReader(100, {
      message: (message) => expect(message).toBe('{}'),
      ping: () => (used = process.memoryUsage().heapUsed - before),
      close: () => undefined,
    });
    frames.push(text('{', 0x01));
    frames.push(parts);
    frames.push(Buffer.concat([serverFrame(0x89, Buffer.alloc(0)), text('}', 0x80)]));
    expect(used).not.toBe(0);
    expect(used).toBeLessThan(50_000_000);
    expect.assertions(3);
  });

  test('keep a byte order mark, which JSON does not have', () => {
    expect(readIn([text('\ufeff{}')])).toEqual(['\ufeff{}']);
  });

  test('are rejected over the limit, and before they arrive if their length is known', () => {
    expect(readIn([text('x'.repeat(100))], 100)).toEqual(['x'.repeat(100)]);
    expect(readIn([text('x'.repeat(101)).subarray(0, 2)], 100)).toEqual([{ bad: 1009 }]);
    expect(readIn([Buffer.from([0x81, 127, 255, 255, 255, 255, 255, 255, 255, 255])])).toEqual([{ bad: 1009 }]);
    const inParts = [text('x'.repeat(60), 0x01), text('x'.repeat(40), 0x00), text('x', 0x80)];
    expect(readIn(inParts, 101)).toEqual(['x'.repeat(101)]);
    expect(readIn(inParts, 100)).toEqual([{ bad: 1009 }]);
    // Earlier messages no longer count.
    expect(readIn([...inParts, text('y'.repeat(101))], 101)).toHaveLength(2);
  });
});

describe('a frame of a client', () => {
  test.each([0, 1, 125, 126, 65_535, 65_536])('of %i bytes is whole, and masked', (length) => {
    const payload = Buffer.alloc(length, 'abcdefg');
    const frame = Buffer.from(frameOf(1, payload));
    const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
    expect(frame.length).toBe(head + 4 + length);
    const mask = frame.subarray(head, head + 4);
    const unmasked = frame.subarray(head + 4).map((byte, index) => byte ^ (mask[index % 4] ?? 0));
    // Without its mask the frame is that of a server.
    const bare = Buffer.concat([frame.subarray(0, head), unmasked]);
    expect(bare[1]).toBeGreaterThanOrEqual(0x80);
    bare[1] = (bare[1] ?? 0) & 0x7f;
    expect(bare.equals(serverFrame(0x81, payload))).toBe(true);
  });

  test('has a unique mask, although random bytes are drawn for many frames at once', () => {
    const FRAMES = 10_000;
    const masks = Array.from({ length: FRAMES }, () => Buffer.from(frameOf(1, Buffer.alloc(1))).readUInt32BE(2));
    // Among 10 000 random numbers of 32 bits, two are equal once in eighty runs, and six practically never.
    expect(new Set(masks).size).toBeGreaterThan(FRAMES - 6);
    // Each bit of the masks is set in about half of them.
    for (let bit = 0; bit < 32; bit++) {
      const set = masks.filter((mask) => ((mask >>> bit) & 1) === 1).length;
      expect(Math.abs(set - FRAMES / 2)).toBeLessThan(FRAMES / 20);
    }
  });
});
