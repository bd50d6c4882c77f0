import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { concatMap, firstValueFrom, interval, ReplaySubject } from 'rxjs';
import type { Client, ConnectionState, LeaseEvent } from '../../src/index.js';
import { startFaultCluster, type FaultCluster } from '../support/cluster/cluster.js';
import { isLeaderless, stallPeers, type Member } from '../support/cluster/member.js';
import { getText } from '../support/etcd/http.js';
import { Clients } from './support.js';
import { collect } from './watch/support/collect.js';
import { stopwatch } from '../support/stopwatch.js';
import { waitFor } from '../support/waitFor.js';

const TRANSPORTS = ['websocket', 'http2', 'chunked'] as const;

let cluster: FaultCluster;
const clients = new Clients();
let written = 0;

beforeAll(async () => {
  cluster = await startFaultCluster({ tls: true });
});
afterEach(async () => {
  cluster.heal();
  await clients.close();
  await cluster.settled();
});
afterAll(() => cluster.stop());

const member = (which: (member: Member) => boolean): Member => {
  const found = cluster.members.find(which);
  if (found === undefined) throw new Error('there is no such member');
  return found;
};
/** Waits until the member has detected the partition. */
const isParted = (parted: Member): Promise<true> => waitFor('it has no leader', () => isLeaderless(parted));
/** Writes another revision, at a member that is not partitioned. */
const write = (at: Member): Promise<unknown> =>
  firstValueFrom(cluster.direct.kv.put('a', String(++written), { endpoint: at.server.endpoint }));

/** A watch whose stream is at one member, and whose client has these endpoints. */
class Watching {
  readonly states: ConnectionState[] = [];
  readonly seen: string[] = [];
  error: unknown;
  private readonly from = written;

  private constructor(
    readonly client: Client,
    readonly transport: (typeof TRANSPORTS)[number],
  ) {
    client.connection$.subscribe((state) => this.states.push(state));
    client.watch('a').subscribe({ next: ({ kv }) => this.seen.push(kv.value), error: (error: unknown) => (this.error = error) });
  }

  static async at(streaming: Member, transport: (typeof TRANSPORTS)[number], known = cluster.endpoints): Promise<Watching> {
    const client = clients.make({ ...cluster.access, endpoints: streaming.endpoint, streams: { transport } });
    const watching = new Watching(client, transport);
    await waitFor('it is connected', () => watching.endpoint === streaming.endpoint);
    client.setEndpoints(known);
    return watching;
  }

  /** Makes the client hold a lease: its watches are then checked more often. */
  async holdLease(): Promise<void> {
    const events = new ReplaySubject<LeaseEvent>(1);
    // Without a leader the lease cannot be refreshed.
    this.client.lease({ ttl: 60, onLost: 'regrant' }).subscribe(events);
    await firstValueFrom(events);
  }

  get endpoint(): string | undefined {
    const state = this.states.at(-1);
    return state?.status === 'connected' ? state.endpoint : undefined;
  }

  /** The causes of the lost streams. */
  get causes(): string[] {
    return this.states.flatMap((state) => (state.status === 'reconnecting' ? [state.cause.reason] : []));
  }

  /** All revisions since the watch began are delivered, once each. */
  async upToDate(withinMs?: number): Promise<void> {
    await waitFor(
      `${this.transport} has seen ${written}`,
      () => this.seen.at(-1) === String(written) || this.error !== undefined,
      withinMs,
    );
    expect(this.error).toBeUndefined();
    expect(this.seen).toEqual(Array.from({ length: written - this.from }, (_, index) => String(this.from + index + 1)));
  }
}

test('watches of a client that holds a lease leave a partitioned member within 5 s', async () => {
  const leader = await cluster.leader();
  const parted = member((one) => one !== leader);
  const all = await Promise.all(TRANSPORTS.map((transport) => Watching.at(parted, transport)));
  await Promise.all(all.map((watching) => watching.holdLease()));
  // A client that does nothing else may take longer.
  const idle = await Watching.at(parted, 'websocket');
  // The clients that have no other endpoint wait.
  const alone = await Promise.all(TRANSPORTS.map((transport) => Watching.at(parted, transport, [parted.endpoint])));
  const other = member((one) => one !== parted);
  await write(other);
  await Promise.all([...all, idle, ...alone].map((watching) => watching.upToDate()));
  const elapsed = stopwatch();
  stallPeers(parted, cluster.members, 'both');
  await isParted(parted);
  await cluster.leader();
  await write(other);
  await Promise.all(all.map((watching) => watching.upToDate()));
  expect(elapsed().awakeMs).toBeLessThan(5_000);
  await idle.upToDate(60_000);
  expect(elapsed().awakeMs).toBeLessThan(15_000);
  for (const { endpoint, causes } of [...all, idle]) {
    expect(endpoint).not.toBe(parted.endpoint);
    expect(causes).toContain('NoLeader');
  }
  cluster.heal();
  await write(other);
  await Promise.all([...all, ...alone].map((watching) => watching.upToDate()));
});

test('a watch avoids a cluster without a leader, and resumes once it has one', async () => {
  const [first = member(() => true)] = cluster.members;
  const all = await Promise.all(TRANSPORTS.map((transport) => Watching.at(first, transport)));
  await Promise.all(all.map((watching) => watching.holdLease()));
  for (const one of cluster.members) stallPeers(one, cluster.members, 'both');
  const lost = async (): Promise<unknown> => {
    const known = all.map(({ causes }) => causes.length);
    const twice = ({ causes }: Watching, index: number): boolean =>
      causes.slice(known[index]).filter((cause) => cause === 'NoLeader').length >= 2;
    return waitFor('each has found none twice', () => all.every(twice));
  };
  // Before that, one of them may be connected to a member that still believes that it has a leader.
  await Promise.all(cluster.members.map(isParted));
  await lost();
  const before = all.map(({ states }) => states.length);
  await lost();
  expect(all.flatMap(({ states }, index) => states.slice(before[index]).map(({ status }) => status))).not.toContain('connected');
  cluster.heal();
  await cluster.settled();
  await write(first);
  await Promise.all(all.map((watching) => watching.upToDate()));
});

test('a watch stays connected to a store that has no space left', async () => {
  const [first = member(() => true)] = cluster.members;
  const questions = async (): Promise<number> => {
    const metrics = await getText(`${first.server.endpoint}/metrics`, first.server.clientTls);
    return Number(/^grpc_server_handled_total\{grpc_code="OK",grpc_method="Status".* (\d+)$/m.exec(metrics)?.[1] ?? 0);
  };
  const { header } = await firstValueFrom(cluster.direct.maintenance.status({ endpoint: first.server.endpoint }));
  const alarm = { memberId: header.memberId, alarm: 'NOSPACE' } as const;
  await firstValueFrom(cluster.direct.maintenance.alarmActivate(alarm));
  const watching = await Watching.at(first, 'websocket');
  // A client that makes calls sends heartbeats to a member more often.
  const reads = collect(interval(300).pipe(concatMap(() => watching.client.kv.get('a'))));
  const before = await questions();
  await waitFor('it was asked', async () => (await questions()) > before);
  reads.stop();
  expect(reads.error).toBeUndefined();
  expect(watching.endpoint).toBe(first.endpoint);
  expect(watching.causes).toEqual([]);
  await firstValueFrom(cluster.direct.maintenance.alarmDeactivate(alarm));
  await write(first);
  await watching.upToDate();
});
