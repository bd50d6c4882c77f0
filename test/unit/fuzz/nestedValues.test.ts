import { afterEach, describe, expect, test } from '@jest/globals';
import * as t from 'io-ts';
import { lastValueFrom, of, type Observable } from 'rxjs';
import { decodeJson } from '../../../operators/index.js';
import { createClient, key, put, txn, type Client, type Json, type Reason, type TxnSpec } from '../../../src/index.js';
import { kv as keyValue } from '../../operators/support.js';
import { failureOf, failureWith } from '../../integration/support/outcomes.js';
import { startFakeServer, type FakeServer } from '../../support/fakes/fakeServer.js';

const LEVELS = 20_000;

let server: FakeServer | undefined;
let client: Client | undefined;
afterEach(async () => {
  await client?.close();
  await server?.close();
});

/** A client of a server that responds to every call with this text. */
async function answeredWith(body = '{}', version = '3.5.0'): Promise<Client> {
  server = await startFakeServer((_, reply) => reply.text(200, body, 'application/json'), version);
  return (client = createClient({ endpoints: server.endpoint }));
}

const nested = <T>(innermost: T, around: (inner: T) => T, levels = LEVELS): T => {
  let all = innermost;
  for (let level = 0; level < levels; level++) all = around(all);
  return all;
};

const deepJson = (open: string, close: string, innermost = ''): string => open.repeat(LEVELS) + innermost + close.repeat(LEVELS);
const DEEP_RESULT = deepJson('{"responses":[{"response_txn":', '}]}', '{}').replace('{', '{"succeeded":true,');

interface Recursive {
  readonly inner?: Recursive;
}
const Recursive: t.Type<Recursive> = t.recursion('Recursive', () => t.partial({ inner: Recursive }));

describe('values that are nested 20 000 deep are rejected, and nothing is sent:', () => {
  const plainTxn = nested<TxnSpec>({ success: [put('a', 'b')] }, (inner) => ({ success: [{ op: 'txn', ...inner }] }));
  const deepBody = nested<Json>([], (inner) => [inner]);
  test.each<[what: string, ask: (etcd: Client) => Observable<unknown>]>([
    ['a txn', ({ kv }) => kv.txn(plainTxn)],
    ['a txn that txn makes', ({ kv }) => kv.txn(nested<TxnSpec>({ success: [put('a', 'b')] }, (inner) => ({ success: [txn(inner)] })))],
    ['a txn in the branch for failure', ({ kv }) => kv.txn(nested<TxnSpec>({}, (inner) => ({ failure: [{ op: 'txn', ...inner }] })))],
    ['a txn of a namespace', ({ namespace }) => namespace('a/').kv.txn(plainTxn)],
    ['the body of a call', ({ call }) => call('/kv/range', deepBody)],
    [
      'the body of a call, of objects',
      ({ call }) =>
        call(
          '/kv/range',
          nested<Json>({}, (inner) => ({ inner })),
        ),
    ],
    ['metadata', ({ services }) => services('s').register('1', { addr: 'a:1', metadata: deepBody })],
    ['a range', ({ kv }) => kv.range({ key: deepBody } as never)],
    ['a condition', ({ kv }) => kv.txn({ compare: [key({ key: deepBody } as never).exists()] })],
    ['options', ({ watch }) => watch('a', deepBody as never)],
  ])('%s', async (_, ask) => {
    const etcd = await answeredWith();
    const error = await failureWith('InvalidArgument', ask(etcd));
    expect(error.message).not.toContain('call stack');
    expect(server?.requests.filter(({ method }) => method === 'POST')).toEqual([]);
  });

  test.each([10, 100, 1_000, 2_000, 5_000, 10_000])('near the limit of the stack: %d levels, on any version', async (levels) => {
    const etcd = await answeredWith('{"code":3,"error":"etcdserver: too many operations in txn request"}', '3.3.25');
    const spec = nested<TxnSpec>({ success: [put('a', 'b')] }, (inner) => ({ success: [{ op: 'txn', ...inner }] }), levels);
    for (const { kv } of [etcd, etcd.namespace('a/')])
      expect(['InvalidArgument', 'TooManyOps']).toContain((await failureOf(kv.txn(spec))).reason);
  });
});

describe('a response that is nested 20 000 deep is malformed:', () => {
  const getTxn: TxnSpec = { success: [{ op: 'txn', success: [] }] };
  const readOnly = nested<TxnSpec>({}, (inner) => ({ success: [{ op: 'txn', ...inner }] }), 500);
  test.each<[what: string, body: string, ask: (etcd: Client) => Observable<unknown>, reason: Reason]>([
    ['of a txn that reads', DEEP_RESULT, ({ kv }) => kv.txn(getTxn), 'MalformedResponse'],
    ['of a txn that reads as deep', DEEP_RESULT, ({ kv }) => kv.txn(readOnly), 'MalformedResponse'],
    ['of a txn that reads in a namespace', DEEP_RESULT, ({ namespace }) => namespace('a/').kv.txn(getTxn), 'MalformedResponse'],
    ['of a txn that writes', DEEP_RESULT, ({ kv }) => kv.txn({ success: [put('a', 'b')] }), 'AmbiguousWrite'],
    [
      'of a txn that writes in a namespace',
      DEEP_RESULT,
      ({ namespace }) => namespace('a/').kv.txn({ success: [put('a', 'b')] }),
      'AmbiguousWrite',
    ],
    ['in place of a list', `{"kvs":${deepJson('[', ']')}}`, ({ kv }) => kv.range('a'), 'MalformedResponse'],
    ['in place of a key', `{"kvs":[{"key":${deepJson('{"a":', '}', '1')}}]}`, ({ kv }) => kv.range('a'), 'MalformedResponse'],
    ['in place of the response to a put', deepJson('[', ']'), ({ kv }) => kv.put('a', 'b'), 'AmbiguousWrite'],
    ['in place of an error', `{"error":${deepJson('{"a":', '}', '1')}}`, ({ kv }) => kv.put('a', 'b'), 'AmbiguousWrite'],
    [
      'to a codec that reads it all',
      deepJson('{"inner":', '}', '{}'),
      ({ call }) => call('/kv/range', {}, { codec: Recursive, safety: 'read' }),
      'MalformedResponse',
    ],
    [
      'to a codec, of a write',
      deepJson('{"inner":', '}', '{}'),
      ({ call }) => call('/kv/range', {}, { codec: Recursive }),
      'AmbiguousWrite',
    ],
    ['in a stream', `{"result":${deepJson('[', ']')}}`, ({ electionService }) => electionService.observe('a'), 'MalformedResponse'],
  ])('%s', async (_, body, ask, reason) => {
    await failureWith(reason, ask(await answeredWith(body)));
  });

  test('a value that is nested 20 000 deep is invalid', async () => {
    const stored = keyValue('a', deepJson('{"inner":', '}', '{}'), 5);
    await failureWith('InvalidValue', of(stored).pipe(decodeJson(Recursive)));
    expect(stored.json(Recursive)).toMatchObject({ _tag: 'Left', left: { reason: 'InvalidValue' } });
  });
});

test('an unknown field may be nested to any depth', async () => {
  const { kv } = await answeredWith(`{"header":{"revision":"7"},"unknown":${deepJson('[', ']')}}`);
  expect(await lastValueFrom(kv.put('a', 'b'))).toMatchObject({ header: { revision: 7 } });
});
