import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import { leaseId, type Client, type LeaseEvent } from '../../src/index.js';
import { Holder } from '../integration/support/holding.js';
import { startFakeServer, type FakeReply, type FakeRequest, type FakeServer } from '../support/fakes/fakeServer.js';
import { Clients, rejection } from './support.js';
import { waitForValue } from '../support/waitFor.js';

/** Responses to keepalives that a real server sends only for a moment, while its leader changes or while it stops. */

const ID = leaseId('123');
const header = { cluster_id: '1', member_id: '1', revision: '7', raft_term: '1' };
const PASSING = [
  ['not a primary lessor', 2],
  ['context canceled', 2],
  ['rpc error: code = Unknown desc = context canceled', 2],
  ['context canceled', 1],
] as const;

let server: FakeServer;
let client: Client;
const clients = new Clients();
const holder = new Holder();
/** The responses to the next calls to a path; later calls are passed to etcd. */
let answers: Record<string, ((reply: FakeReply) => void)[]>;

const refused = (message: string, code: number) => (reply: FakeReply) => reply.json(500, { error: message, message, code });
const broken = (message: string, code: number) => (reply: FakeReply) =>
  void reply.stream().end(`${JSON.stringify({ error: { grpc_code: code, http_code: 500, message, http_status: '' } })}\n`);
/** Refreshes the lease now, and not only at a third of its TTL. The lease reports the outcome. */
const refreshNow = ({ lease }: LeaseEvent): void => void lease.refresh().subscribe({ error: () => undefined });
const byPath: Record<string, (reply: FakeReply) => void> = {
  '/v3/lease/grant': (reply) => reply.json(200, { header, ID, TTL: '60' }),
  '/v3/kv/lease/revoke': (reply) => reply.json(200, { header }),
  '/v3/kv/lease/timetolive': (reply) => reply.json(200, { header, ID, TTL: '50', grantedTTL: '60' }),
  '/v3/lease/keepalive': (reply) => void reply.stream().end(`${JSON.stringify({ result: { header, ID, TTL: '60' } })}\n`),
};

beforeEach(async () => {
  answers = {};
  server = await startFakeServer(({ path }: FakeRequest, reply) => (answers[path]?.shift() ?? byPath[path])?.(reply));
  // The calls of this client are counted, so none may be sent again because the machine is busy.
  client = clients.make({ endpoints: server.endpoint, streams: { transport: 'chunked' }, attemptTimeoutMs: 30_000 });
});
afterEach(async () => {
  holder.letGo();
  await clients.close();
  await server.close();
});

describe.each(PASSING)('%s, with code %d', (message, code) => {
  test.each([
    ['in the body of an error', refused],
    ['in the stream', broken],
  ])('in the response to one keepalive, %s, does not end a lease', async (_, how) => {
    // More than one request, as the keepalive is retried at once.
    answers['/v3/lease/keepalive'] = Array.from({ length: 6 }, () => how(message, code));
    const held = holder.hold<LeaseEvent>(client.lease({ ttl: 60, id: ID }));
    refreshNow(await held.first());
    await waitForValue(
      () => held.endedAt > 0 || held.values.some(({ type }) => type === 'refreshed'),
      (done) => done,
    );
    expect(held.values.at(-1)).toMatchObject({ type: 'refreshed', id: ID });
    expect(held.error).toBeUndefined();
  });

  test('makes keepAliveOnce and timeToLive send another request', async () => {
    answers['/v3/lease/keepalive'] = [refused(message, code), broken(message, code)];
    answers['/v3/kv/lease/timetolive'] = [refused(message, code), refused(message, code)];
    expect(await firstValueFrom(client.lease.keepAliveOnce(ID))).toMatchObject({ id: ID, ttl: 60 });
    expect(await firstValueFrom(client.lease.timeToLive(ID))).toMatchObject({ id: ID, ttl: 50 });
    expect(await firstValueFrom(client.lease.adopt(ID))).toMatchObject({ type: 'granted' });
  });

  test('fails a write with AmbiguousWrite', async () => {
    answers['/v3/kv/put'] = [refused(message, code)];
    expect(await rejection(firstValueFrom(client.kv.put('a', '1')))).toMatchObject({ reason: 'AmbiguousWrite' });
    expect(server.at('/v3/kv/put')).toHaveLength(1);
  });
});

describe('a lease is lost at once', () => {
  test.each([
    [
      'that it does not exist',
      (reply: FakeReply) => void reply.stream().end(`${JSON.stringify({ result: { header, ID } })}\n`),
      'LeaseNotFound',
    ],
    ['that it is not found', refused('etcdserver: requested lease not found', 5), 'LeaseNotFound'],
    ['that the permission is denied', refused('etcdserver: permission denied', 7), 'PermissionDenied'],
  ])('if the server responds %s', async (_, answer, reason) => {
    answers['/v3/lease/keepalive'] = [answer];
    const held = holder.hold<LeaseEvent>(client.lease({ ttl: 60, id: ID }));
    refreshNow(await held.first());
    const error = await held.failure();
    expect(error).toMatchObject({ reason: 'LeaseLost', cause: { reason } });
    expect(String(error)).toContain('lease 7b (123) is lost');
    expect(server.at('/v3/lease/keepalive')).toHaveLength(1);
  });
});
