/**
 * A library built on rxetcd: the compiler writes its declarations from inferred types, so each of our types needs an
 * exported name.
 */
import { map, switchMap } from 'rxjs';
import { createClient, key, put, type Client } from 'rxetcd';
import { decodeJson, foldEvents, putAll, puts, toAsyncIterable, withLease, withLock } from 'rxetcd/operators';
import * as t from 'io-ts';

export const etcd = createClient();
export const results = ({ auth, cluster, maintenance, lease, lockService, electionService, kv }: Client) => ({
  authenticate: auth.authenticate('a', 'b'),
  authStatus: auth.status(),
  enabled: auth.enable(),
  role: auth.roleGet('r'),
  roles: auth.roleList(),
  user: auth.userGet('u'),
  users: auth.userList(),
  added: cluster.memberAdd(['http://a:2380']),
  members: cluster.memberList(),
  alarms: maintenance.alarms(),
  downgraded: maintenance.downgrade('CANCEL', ''),
  hash: maintenance.hash(),
  hashKv: maintenance.hashKv(),
  status: maintenance.status(),
  snapshot: maintenance.snapshot(),
  campaign: electionService.campaign('e', 'v'),
  leader: electionService.leader('e'),
  observed: electionService.observe('e'),
  lock: lockService.lock('l'),
  grant: lease.grant(10),
  keepAlive: lease.keepAliveOnce,
  leases: lease.leases(),
  timeToLive: lease.timeToLive,
  range: kv.range({ all: true }),
  put: kv.put('a', '1', { prevKv: true }),
  deleted: kv.delete('a'),
  txn: kv.txn({ compare: [key('a').version.equals(0)], success: [put('a', '1')] }),
  compacted: kv.compact(1),
});
export const members = (client: Client) =>
  client.cluster.memberList().pipe(map(({ members: all }) => all.map(({ id, isLearner }) => ({ id, isLearner }))));
export const permissions = (client: Client) => client.auth.roleGet('r').pipe(map(({ perm }) => perm));
export const alarms = (client: Client) => client.maintenance.alarms().pipe(map(({ alarms: raised }) => raised));
export const streams = (client: Client) => ({
  watch: client.watch('a'),
  once: client.watchOnce('a'),
  batches: client.watchBatches('a'),
  live: client.live({ prefix: 'a' }),
  liveState: client.liveState({ prefix: 'a' }),
  liveValue: client.liveValue('a', { codec: t.string }),
  liveValueState: client.liveValueState('a', { codec: t.string }),
  lease: client.lease({ ttl: 10 }),
  lock: client.lock('l'),
  election: client.election('e'),
  campaign: client.election('e').campaign('me'),
  stm: client.stm((tx) => tx.get('a')),
  semaphore: client.semaphore('s', 2),
  queue: client.queue('q'),
  services: client.services('web'),
  connection: client.connection$,
  version: client.version(),
  metrics: client.metrics(),
  health: client.health(),
  within: client.namespace('n/'),
});
export const piped = (client: Client) => ({
  config: client.watch('a').pipe(puts(), decodeJson(t.type({ color: t.string }))),
  folded: client.watch({ prefix: 'a' }).pipe(foldEvents()),
  leased: client.lease({ ttl: 10 }).pipe(withLease(({ id }) => client.kv.put('a', '1', { lease: id }))),
  locked: client.kv.get('a').pipe(withLock(client.lock('l'), () => client.kv.get('b'))),
  iterable: toAsyncIterable(),
  put: client.kv.get('a').pipe(
    map(() => ({ key: 'a', value: 'b' })),
    putAll(client.kv),
  ),
  guarded: client.lock('l').pipe(switchMap((ownership) => client.kv.txn({ compare: [ownership.guard] }))),
});
