import { requestText } from '../../../src/codec/message.js';
import { watchRpcs } from '../../../src/codec/watch.js';
import { toBase64 } from '../../../src/model/bytes.js';
import { parseStreamMessage } from '../../../src/transport/json/jsonWire.js';
import { MultiplexedStream } from '../../../src/watch/streams/multiplexedStream.js';
import { refusalOfProgress, type WatchMessage, type WatchTarget } from '../../../src/watch/messages.js';
import { observable, watching } from '../../unit/watch/support.js';

/** A stream with a server at its other end, whose messages the test decides. */
export function setUp({ orderedProgress = true, fragments = true, takesIds = false } = {}) {
  const sent: unknown[] = [];
  const expected: boolean[] = [];
  const stream = new MultiplexedStream({
    where: { rpc: 'Watch.Watch', endpoint: 'http://a:1' },
    fragments,
    takesIds,
    unorderedProgress: refusalOfProgress(orderedProgress ? undefined : { text: '3.4.23', major: 3, minor: 4, patch: 23 }, {}),
    lacksDeletes: false,
    connected: { status: 'connected', endpoint: 'http://a:1', transport: 'websocket' },
    send: (request) => sent.push(JSON.parse(requestText(watchRpcs.watch, request))),
    expect: (answer) => expected.push(answer),
  });
  const receive = (json: unknown): unknown => stream.receive(parseStreamMessage(watchRpcs.watch.response, json, {}));
  const say = (id: number, more: object = {}): unknown => receive({ result: { header: { revision: '9' }, watch_id: String(id), ...more } });
  return {
    stream,
    receive,
    expected,
    /** The messages sent since the last check. */
    sent: () => sent.splice(0),
    watch: (key: string, startRevision = 1, fragment = false) => watching(observable(stream.watch(target(key), startRevision, fragment))),
    say,
    created: (id: number) => say(id, { created: true }),
    changed: (id: number, key: string, revision: number) =>
      say(id, { events: [{ kv: { key: toBase64(key), mod_revision: String(revision) } }] }),
  };
}

export const target = (key: string): WatchTarget => ({ key, filter: {} });
export const create = (key: string) => ({ create_request: { key: toBase64(key), start_revision: '1' } });
export const cancel = (id: number) => ({ cancel_request: { watch_id: String(id) } });
/** Formats each report as a line. */
export const linesOf = ({ values }: { readonly values: readonly WatchMessage[] }): string[] =>
  values.map((report) => {
    if (report.type === 'created') return 'created';
    return report.progress === undefined
      ? report.events.map(({ kv, revision }) => `${kv.key}@${revision}`).join(' ')
      : `≤${report.progress}`;
  });
