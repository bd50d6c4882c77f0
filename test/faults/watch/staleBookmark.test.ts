import { expect, test } from '@jest/globals';
import { watchRpcs } from '../../../src/codec/watch.js';
import { parseStreamMessage } from '../../../src/transport/json/jsonWire.js';
import { MultiplexedStream } from '../../../src/watch/streams/multiplexedStream.js';
import { observable } from '../../unit/watch/support.js';
import { collect } from './support/collect.js';

const header = (revision: number): Record<string, string> => ({ revision: String(revision) });
const created = (id: number): unknown => ({ result: { header: header(20), watch_id: String(id), created: true } });
const bookmark = (revision: number): unknown => ({ result: { header: header(revision), watch_id: '-1' } });
const event = (id: number, revision: number): unknown => ({
  result: {
    header: header(20),
    watch_id: String(id),
    events: [{ kv: { key: 'YQ==', mod_revision: String(revision), create_revision: '1', version: '1' } }],
  },
});

function setUp() {
  const stream = new MultiplexedStream({
    where: {},
    fragments: true,
    takesIds: false,
    lacksDeletes: false,
    connected: { status: 'connected', endpoint: 'http://a:1', transport: 'websocket' },
    send: () => undefined,
    expect: () => undefined,
  });
  const watch = () => collect(observable(stream.watch({ key: 'a', filter: {} }, 1)));
  const bookmarksOf = ({ values }: ReturnType<typeof watch>) => values.flatMap((report) => ('progress' in report ? [report.progress] : []));
  const receive = (json: unknown): unknown => stream.receive(parseStreamMessage(watchRpcs.watch.response, json, {}));
  return { stream, receive, watch, bookmarksOf };
}

test('a late bookmark from before the creation of a watch does not apply to it', () => {
  const { stream, receive, watch, bookmarksOf } = setUp();
  const old = watch();
  receive(created(0));
  stream.sendProgressRequest();
  const young = watch();
  receive(created(1));
  receive(bookmark(20));
  expect([bookmarksOf(old), bookmarksOf(young)]).toEqual([[20], []]);
  stream.sendProgressRequest();
  receive(bookmark(21));
  expect([bookmarksOf(old), bookmarksOf(young)]).toEqual([[20, 21], [21]]);
});

test('a bookmark after the first event of a watch applies to it, whatever was requested before', () => {
  const { stream, receive, watch, bookmarksOf } = setUp();
  watch();
  receive(created(0));
  // Neither request gets a response, as a watch is behind.
  stream.sendProgressRequest();
  stream.sendProgressRequest();
  const young = watch();
  receive(created(1));
  receive(event(1, 19));
  receive(bookmark(20));
  expect(bookmarksOf(young)).toEqual([20]);
});
