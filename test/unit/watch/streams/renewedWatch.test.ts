import { describe, expect, test } from '@jest/globals';
import { Subject, timer } from 'rxjs';
import { watchRpcs } from '../../../../src/codec/watch.js';
import { toBase64 } from '../../../../src/model/bytes.js';
import { parseStreamMessage } from '../../../../src/transport/json/jsonWire.js';
import { renewedWatch } from '../../../../src/watch/streams/chunkedStream.js';
import { runInVirtualTime, watching } from '../support.js';

const RENEW_MS = 60_000;
const SILENT_MS = 700_000;

const response = (revision: number, more: object = {}) =>
  parseStreamMessage(watchRpcs.watch.response, { result: { header: { revision: String(revision) }, ...more } }, {});
type Response = ReturnType<typeof response>;
const created = (revision = 5): Response => response(revision, { created: true });
const bookmark = (revision: number): Response => response(revision);
const changed = (revision: number, more: object = {}): Response =>
  response(99, { events: [{ kv: { key: toBase64('a'), mod_revision: String(revision) } }], ...more });
const compacted = (): Response => response(0, { canceled: true, compact_revision: '50' });

/** A connection that was opened; the test decides its messages. */
interface Opened extends Subject<Response> {
  readonly from: number;
  readonly isRenewal: boolean;
}

function setUp() {
  const opened: Opened[] = [];
  const refused: Response[] = [];
  const seen = watching(
    renewedWatch(3, {
      renewAfterMs: RENEW_MS,
      maxQuietMs: SILENT_MS,
      tooQuiet: () => new Error('silent'),
      onRefused: (answer) => refused.push(answer),
      open: (from, isRenewal) => {
        const connection = Object.assign(new Subject<Response>(), { from, isRenewal });
        opened.push(connection);
        return connection;
      },
    }),
  );
  return {
    seen,
    refused,
    opened,
    inUse: () => opened.map((connection, index) => (connection.observed ? index : -1)).filter((index) => index >= 0),
    last: (): Opened => {
      const connection = opened.at(-1);
      if (connection === undefined) throw new Error('none was opened');
      return connection;
    },
  };
}

/** Runs the events at their milliseconds. */
const at = (steps: Readonly<Record<number, () => void>>): void =>
  Object.entries(steps).forEach(([ms, step]) => timer(Number(ms)).subscribe(step));

describe('a watch with a separate connection', () => {
  test('moves to another connection after it was idle, from the last bookmark on', () => {
    runInVirtualTime(({ flush }) => {
      const { seen, opened, last, inUse } = setUp();
      last().next(created());
      at({
        [10_000]: () => last().next(bookmark(8)),
        [10_000 + RENEW_MS - 1]: () => expect(opened).toHaveLength(1),
        [10_000 + RENEW_MS + 1]: () => {
          expect(opened.map(({ from, isRenewal }) => [from, isRenewal])).toEqual([[3, false], [9, true]]); // prettier-ignore
          expect(inUse()).toEqual([0, 1]);
          last().next(created(20));
          expect(inUse()).toEqual([0, 1]);
          last().next(bookmark(20));
          expect(inUse()).toEqual([1]);
        },
        [10_000 + 2 * RENEW_MS + 10]: () => {
          expect(last().from).toBe(21);
          seen.leave();
          expect(inUse()).toEqual([]);
        },
      });
      flush();
      expect(seen.values.map(({ header }) => header.revision)).toEqual([5, 8, 20, 20]);
      expect(seen.errors).toEqual([]);
    });
  });

  test('stays on the old connection if data arrive there, and mixes no fragments of a response', () => {
    runInVirtualTime(({ flush }) => {
      const { seen, opened, last, inUse } = setUp();
      last().next(created());
      at({
        [RENEW_MS + 10]: () => {
          last().next(created(7));
          opened[0]?.next(changed(8, { fragment: true }));
          last().next(changed(8, { fragment: true }));
          last().next(changed(8));
          opened[0]?.next(changed(8));
          expect(inUse()).toEqual([0]);
        },
        [2 * RENEW_MS + 20]: () => {
          expect(last().from).toBe(9);
          expect(inUse()).toEqual([0, 2]);
          seen.leave();
        },
      });
      flush();
      expect(seen.values.map(({ events }) => events.length)).toEqual([0, 1, 1]);
      expect(seen.errors).toEqual([]);
    });
  });

  test('stays on the old connection if its history is compacted, and retries later', () => {
    runInVirtualTime(({ flush }) => {
      const { seen, opened, last, refused, inUse } = setUp();
      opened[0]?.next(created());
      at({
        [RENEW_MS + 1]: () => {
          // The watch is only found once it has been created.
          last().next(created(59));
          last().next(compacted());
        },
        [RENEW_MS + 2]: () => opened[0]?.next(changed(60)),
        [2 * RENEW_MS + 10]: () => {
          expect(opened.map(({ from }) => from)).toEqual([3, 3, 61]);
          last().error(new Error('the server cannot be reached'));
          expect(inUse()).toEqual([0]);
          seen.leave();
        },
      });
      flush();
      expect(refused).toHaveLength(1);
      expect(seen.values.map(({ canceled, events }) => [canceled, events.length])).toEqual([[false, 0], [false, 1]]); // prettier-ignore
      expect(seen.errors).toEqual([]);
    });
  });

  test('is lost when no data arrived for longer than the progress interval of the server', () => {
    runInVirtualTime(({ flush }) => {
      const { seen, opened } = setUp();
      opened[0]?.next(created());
      timer(SILENT_MS - 1).subscribe(() => expect(seen.errors).toEqual([]));
      flush();
      expect(seen.errors).toMatchObject([{ message: 'silent' }]);
    });
  });

  test('is lost, and not renewed, if data stop within a response', () => {
    runInVirtualTime(({ flush }) => {
      const { seen, opened } = setUp();
      opened[0]?.next(created());
      opened[0]?.next(changed(7, { fragment: true }));
      flush();
      expect(opened).toHaveLength(1);
      expect(seen.errors).toMatchObject([{ message: 'silent' }]);
    });
  });

  test('ends with the connection to which it moved', () => {
    runInVirtualTime(({ flush }) => {
      const { seen, opened, last, inUse } = setUp();
      opened[0]?.next(created());
      at({
        [RENEW_MS + 1]: () => last().next(created()),
        // An old server sends nothing more.
        [RENEW_MS + 5_000]: () => expect(inUse()).toEqual([0, 1]),
        [RENEW_MS + 5_010]: () => {
          expect(inUse()).toEqual([1]);
          last().error(new Error('lost'));
        },
      });
      flush();
      expect(seen.errors).toMatchObject([{ message: 'lost' }]);
      expect(opened.map(({ observed }) => observed)).toEqual([false, false]);
    });
  });
});
