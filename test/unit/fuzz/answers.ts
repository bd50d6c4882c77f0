import fc from 'fast-check';
import type { Socket } from 'node:net';

/** A secret in responses that must not appear in any error. */
export const SECRET = 'hunter2';

const header = { cluster_id: '1', member_id: '1', revision: '7', raft_term: '1' };
const kv = { key: btoa('a'), value: btoa(SECRET), create_revision: '3', mod_revision: '5', version: '2', lease: '9' };

/** Returns the valid response of a server at a path. */
export const GOOD: Readonly<Record<string, string>> = {
  '/version': JSON.stringify({ etcdserver: '3.5.0', etcdcluster: '3.5.0' }),
  '/health': JSON.stringify({ health: 'true' }),
  '/metrics': `# HELP a ${SECRET}\n# TYPE a counter\na{b="${SECRET}"} 1\n`,
  '/v3/kv/range': JSON.stringify({ header, kvs: [kv, kv], more: false, count: '2' }),
  '/v3/kv/put': JSON.stringify({ header, prev_kv: kv }),
  '/v3/kv/txn': JSON.stringify({ header, succeeded: true, responses: [{ response_put: { header } }] }),
  '/v3/lease/keepalive': `${JSON.stringify({ result: { header, ID: '9', TTL: '10' } })}\n`,
  '/v3/maintenance/snapshot': `${JSON.stringify({ result: { blob: btoa('x'), remaining_bytes: '0' } })}\n`,
  '/v3/watch':
    `${JSON.stringify({ result: { header, created: true } })}\n` + `${JSON.stringify({ result: { header, events: [{ kv }] } })}\n`,
};

/** Invalid JSON values that replace one value in a valid response. */
const otherJson = fc.oneof(
  fc.constantFrom<unknown>(null, true, 7, -1, 1e300, '', 'x', '9223372036854775807', '-1', [], {}, [[]], [null], { a: 1 }),
  fc.constantFrom<unknown>(
    { error: 'etcdserver: no leader' },
    { error: { message: 7 } },
    { error: null },
    { message: 'oh', code: '5' },
    { code: 99 },
  ),
  fc.constant<unknown>(JSON.parse(`{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":"${SECRET}"}`)),
);

/** Replaces the nth value in JSON. */
function replaced(text: string, nth: number, other: unknown): string {
  return text
    .split('\n')
    .map((line) => {
      if (!line.startsWith('{')) return line;
      let seen = 0;
      const total = [...line.matchAll(/[{[:,]/g)].length;
      return JSON.stringify(JSON.parse(line, (_, value: unknown) => (seen++ === nth % total ? other : value)));
    })
    .join('\n');
}

/** How a valid body is changed. */
export const spoil: fc.Arbitrary<(good: string) => Buffer> = fc.oneof(
  fc.constant((good: string) => Buffer.from(good)),
  fc.tuple(fc.nat(60), otherJson).map(
    ([nth, other]) =>
      (good: string) =>
        Buffer.from(replaced(good, nth, other)),
  ),
  fc.nat(1_000).map((at) => (good: string) => Buffer.from(good).subarray(0, at % (good.length + 1))),
  fc.tuple(fc.nat(1_000), fc.integer({ min: 1, max: 255 })).map(([at, mask]) => (good: string) => {
    const bytes = Buffer.from(good);
    const index = at % bytes.length;
    bytes[index] = (bytes[index] ?? 0) ^ mask;
    return bytes;
  }),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => () => Buffer.from(bytes)),
  otherJson.map((json) => () => Buffer.from(JSON.stringify(json))),
  fc
    .constantFrom(
      `<html><body>${SECRET}</body></html>`,
      'Not Found',
      '',
      '{}',
      '[]',
      'null',
      '['.repeat(10_000),
      '{"a":'.repeat(10_000),
      `"${SECRET}"`,
    )
    .map((text) => () => Buffer.from(text)),
  // Larger than the client allows.
  fc.constantFrom('x', ' ', '{"result":', '\n').map((piece) => () => Buffer.from(piece.repeat(300_000))),
);

/** A response, in the bytes that are sent. */
export interface Answer {
  readonly spoil: (good: string) => Buffer;
  readonly status: string;
  readonly provisional: readonly string[];
  readonly framing: 'length' | 'chunked' | 'close';
  /** The error of the content length that it declares. */
  readonly lengthError: number;
  readonly headers: readonly string[];
  readonly cuts: readonly number[];
  readonly end: 'stay' | 'fin' | 'reset';
}

const often = <T>(usual: T, ...others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ arbitrary: fc.constant(usual), weight: 6 }, { arbitrary: fc.constantFrom(...others), weight: 2 });

export const answers: fc.Arbitrary<Answer> = fc.record({
  spoil,
  status: often(
    '200 OK',
    '204 No Content',
    '301 Moved',
    '302 Found',
    '400 Bad',
    '401 No',
    '404 Not Found',
    '429 Slow',
    '500 Oh',
    '502 Bad',
    '503 No',
    '999 What',
    '0 x',
  ),
  provisional: often<readonly string[]>(
    [],
    ['103 Early Hints'],
    ['102 Processing', '103 Early Hints'],
    ['100 Continue'],
    ['101 Switching Protocols'],
  ),
  framing: fc.constantFrom('length', 'chunked', 'close'),
  lengthError: often(0, -1, 1, 100, -1_000_000, 2 ** 40),
  headers: often<readonly string[]>(
    [],
    // The error shows the target of a redirect, without user and query.
    [`location: http://${SECRET}:${SECRET}@proxy.example/etcd?token=${SECRET}`],
    ['content-length: 5', 'content-length: 6'],
    ['transfer-encoding: gzip, chunked'],
    ['content-encoding: gzip'],
    [`x: ${'y'.repeat(20_000)}`],
    [`bad ${SECRET}`],
    ['connection: upgrade', 'upgrade: websocket'],
  ),
  cuts: fc.array(fc.nat(1_000), { maxLength: 3 }),
  end: often<Answer['end']>('fin', 'stay', 'reset'),
});

/** Sends the response. */
export function say({ spoil, status, provisional, framing, lengthError, headers, cuts, end }: Answer, good: string, socket: Socket): void {
  const body = spoil(good);
  const length =
    framing === 'length'
      ? [`content-length: ${Math.max(-1, body.length + lengthError)}`]
      : framing === 'chunked'
        ? ['transfer-encoding: chunked']
        : ['connection: close'];
  const head = [
    ...provisional.map((line) => `HTTP/1.1 ${line}\r\n\r\n`),
    `HTTP/1.1 ${status}\r\n${[...length, ...headers].join('\r\n')}\r\n\r\n`,
  ].join('');
  const framed =
    framing === 'chunked'
      ? [Buffer.from(`${(body.length + (lengthError === 2 ** 40 ? 9 : 0)).toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]
      : [body];
  const bytes = Buffer.concat([Buffer.from(head), ...framed]);
  const points = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  const pieces = points.slice(1).map((point, index) => bytes.subarray(points[index], point));
  const next = (): void => {
    const piece = pieces.shift();
    if (socket.destroyed) return;
    if (piece !== undefined) return void socket.write(piece, () => setImmediate(next));
    if (end === 'fin') socket.end();
    if (end === 'reset') socket.resetAndDestroy();
  };
  next();
}
