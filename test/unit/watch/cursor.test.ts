import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { WatchBatch, WatchEvent } from '../../../src/model/events.js';
import { Cursor, type WatchNotification } from '../../../src/watch/cursor.js';
import { put } from '../../operators/support.js';

const whole = (...events: WatchEvent[]): WatchNotification => ({ events, fragment: false });
const part = (...events: WatchEvent[]): WatchNotification => ({ events, fragment: true });
const bookmark = (progress: number): WatchNotification => ({ events: [], fragment: false, progress });
const event = (revision: number, key = 'a'): WatchEvent => put(key, '', revision);

/** Formats a batch as a line: `5: a b`, or `≤5` for a progress notification. */
const line = ({ type, revision, events }: WatchBatch): string =>
  type === 'progress' ? `≤${revision}` : `${revision}: ${events.map(({ kv }) => kv.key).join(' ')}`;
const lines = (batches: readonly WatchBatch[]): string[] => batches.map(line);

describe('a cursor', () => {
  test('delivers a revision as one batch, and several in their order', () => {
    const cursor = new Cursor(5);
    expect(lines(cursor.accept(whole(event(5, 'a'), event(5, 'b'), event(7, 'c'))))).toEqual(['5: a b', '7: c']);
    expect(cursor.next).toBe(8);
  });

  test('resumes at the start revision if no event arrived', () => {
    expect(new Cursor(42).next).toBe(42);
  });

  test('knows the newest revision of the store: that of its request, or of its events', () => {
    expect([new Cursor(42).seen, new Cursor(5, 4).seen]).toEqual([0, 4]);
    const cursor = new Cursor(5, 6);
    cursor.accept(whole(event(5)));
    expect(cursor.seen).toBe(6);
    cursor.accept(whole(event(7)));
    expect(cursor.seen).toBe(7);
    cursor.accept(bookmark(9));
    expect(cursor.seen).toBe(9);
  });

  test('drops delivered events, and events before its start revision', () => {
    const cursor = new Cursor(5);
    expect(lines(cursor.accept(whole(event(4), event(5, 'a'))))).toEqual(['5: a']);
    expect(lines(cursor.accept(whole(event(4), event(5, 'a'), event(6, 'b'))))).toEqual(['6: b']);
    expect(cursor.accept(whole(event(6, 'b')))).toEqual([]);
  });

  test('is moved by a bookmark, and passes it on once', () => {
    const cursor = new Cursor(5);
    expect(lines(cursor.accept(bookmark(9)))).toEqual(['≤9']);
    expect(cursor.next).toBe(10);
    expect(cursor.accept(bookmark(9))).toEqual([]);
    expect(cursor.accept(bookmark(3))).toEqual([]);
    expect(cursor.next).toBe(10);
  });

  test('buffers only the last revision of a fragment', () => {
    const cursor = new Cursor(5);
    expect(lines(cursor.accept(part(event(5, 'a'), event(6, 'b'), event(7, 'c'))))).toEqual(['5: a', '6: b']);
    expect(cursor.next).toBe(7);
    expect(lines(cursor.accept(part(event(7, 'd'))))).toEqual([]);
    expect(lines(cursor.accept(whole(event(7, 'e'), event(8, 'f'))))).toEqual(['7: c d e', '8: f']);
  });

  test('delivers the buffered revision when the next fragment starts with another revision', () => {
    const cursor = new Cursor(5);
    cursor.accept(part(event(5, 'a')));
    expect(lines(cursor.accept(part(event(6, 'b'))))).toEqual(['5: a']);
  });

  test('discards the buffered revision when a new stream starts, which sends it again', () => {
    const cursor = new Cursor(5);
    cursor.accept(part(event(5, 'a'), event(6, 'b')));
    cursor.restart();
    expect(cursor.next).toBe(6);
    expect(lines(cursor.accept(whole(event(6, 'b'), event(6, 'c'))))).toEqual(['6: b c']);
  });
});

/**
 * A store's history as the number of changes per revision, with the distance between revisions, and then the faults of
 * a watch of it.
 */
const run = fc.record({
  from: fc.integer({ min: 1, max: 30 }),
  history: fc.array(fc.record({ gap: fc.integer({ min: 1, max: 3 }), changes: fc.integer({ min: 1, max: 4 }) }), { maxLength: 20 }),
  streams: fc.array(
    fc.record({
      /** Revisions before the cursor's that are sent once more. */
      repeats: fc.nat(3),
      responses: fc.array(
        fc.record({
          revisions: fc.integer({ min: 1, max: 4 }),
          /** The lengths of its parts; the last part takes the rest. */
          parts: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 6 }),
          /** How far its progress notification is behind the response; undefined for none. */
          bookmark: fc.option(fc.nat(3), { nil: undefined }),
        }),
        { maxLength: 6 },
      ),
      /** The number of messages before the stream is cut. */
      messages: fc.nat(20),
    }),
    { maxLength: 6 },
  ),
});
type Run = typeof run extends fc.Arbitrary<infer T> ? T : never;

const historyOf = ({ history }: Run): WatchEvent[][] => {
  let revision = 0;
  return history.map(({ gap, changes }) => {
    revision += gap;
    return Array.from({ length: changes }, (_, index) => event(revision, `k${index}`));
  });
};
const revisionOf = ([first]: readonly WatchEvent[]): number => first?.revision ?? NaN;

/** Returns the messages of a stream for a watch that begins at this revision, up to its end or cut. */
function messagesOf(
  history: readonly WatchEvent[][],
  next: number,
  { repeats, responses, messages }: Run['streams'][number],
): WatchNotification[] {
  const at = history.findIndex((events) => revisionOf(events) >= next);
  const coming = history.slice(Math.max(0, (at < 0 ? history.length : at) - repeats));
  const said: WatchNotification[] = [];
  for (const { revisions, parts, bookmark: far } of responses) {
    const sending = coming.splice(0, revisions);
    const events = sending.flat();
    if (events.length === 0) break;
    for (const length of parts) if (length < events.length) said.push(part(...events.splice(0, length)));
    said.push(whole(...events));
    const sent = revisionOf(sending.at(-1) ?? []);
    // A progress notification comes before the next change: everything up to it has been sent.
    if (far !== undefined) said.push(bookmark(Math.min(sent + far, revisionOf(coming[0] ?? [event(Infinity)]) - 1)));
  }
  return said.slice(0, messages);
}

describe('for any responses and any cuts of streams', () => {
  test('the batches of a cursor are ordered, unique, whole and without a gap, and agree with its bookmarks', () => {
    fc.assert(
      fc.property(run, (given) => {
        const history = historyOf(given);
        const cursor = new Cursor(given.from);
        const delivered: WatchBatch[] = [];
        const last = { repeats: 2, responses: [{ revisions: history.length + 1, parts: [1, 2], bookmark: 0 }], messages: Infinity };
        for (const stream of [...given.streams, last]) {
          cursor.restart();
          for (const news of messagesOf(history, cursor.next, stream)) {
            const before = cursor.next;
            const batches = cursor.accept(news);
            delivered.push(...batches);
            // The revision at which it resumes is never above the next one after those that it delivered.
            expect(cursor.next).toBe((batches.at(-1)?.revision ?? before - 1) + 1);
          }
        }
        const wanted = history.filter((events) => revisionOf(events) >= given.from);
        expect(delivered.filter(({ type }) => type === 'events').map(({ events }) => events)).toEqual(wanted);
        let soFar = given.from - 1;
        for (const { type, revision, events } of delivered) {
          expect(revision).toBeGreaterThan(soFar);
          soFar = revision;
          expect(events.every((one) => one.revision === revision)).toBe(true);
          expect(events.length > 0).toBe(type === 'events');
        }
      }),
      { numRuns: 500 },
    );
  });
});
