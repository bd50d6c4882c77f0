import { asyncScheduler, type Subscription } from 'rxjs';
import type { Client } from '../../../src/index.js';
import { Member } from '../../../src/testing/network.js';
import { contend, type Tempo } from '../../support/chaos/contend.js';
import { verify, type Figures, type Happened } from '../../support/chaos/verify.js';
import type { Line } from '../../support/chaos/protocol.js';
import { followHistory } from '../../support/memory/history.js';
import { openMemory, type MemoryEtcd } from '../../support/memory/servers.js';
import { randomFrom, type Random } from '../../support/random.js';
import { inVirtualTime } from './virtualRun.js';

const SEATS = 3;
const CONTENDERS = 2;
/** The thirds of most of them are no whole milliseconds. */
const TTLS = [7, 10, 15, 20];
const TEMPO: Tempo = { tickMs: 3_000, writeMs: 8_000, holdMs: 60_000, restMs: 20_000 };
/** An hour would have ten thousand heartbeats and refreshes, which are the same in each run. */
const LENGTH_MS = 600_000;

/**
 * Ten minutes of contenders for two locks, whose connections, processes and server fail. @throws Error with all
 * problems
 */
export function lockRun(seed: number): Figures {
  return inVirtualTime(() => new LockRun(randomFrom(seed))).verify();
}

/** A client of contenders, with a separate endpoint. */
interface Seat {
  readonly path: Member;
  readonly client: Client;
  readonly work: Subscription;
  alive: boolean;
}

class LockRun {
  private readonly etcd: MemoryEtcd;
  private readonly history: Happened[] = [];
  private readonly lines: Line[] = [];
  private readonly seats: Seat[] = [];
  /** The keys of leases that were revoked, which their owners could not know. */
  private readonly revoked = new Set<string>();
  private count = 0;

  constructor(private readonly random: Random) {
    this.etcd = openMemory({ version: random.pick(['3.3', '3.4', '3.5', '3.6']), latencyMs: random.pick([0, 0, 1, 20]) });
    this.recordHistory();
    for (let index = 0; index < SEATS; index++) {
      this.sit(index);
      this.trouble(index);
    }
    asyncScheduler.schedule(() => this.end(), LENGTH_MS);
  }

  verify(): Figures {
    return verify(this.history, this.lines, this.revoked);
  }

  private sit(index: number): void {
    const { network, server } = this.etcd;
    const [{ name } = { name: '' }] = network.members;
    const path = new Member(`http://seat-${++this.count}:2379`, network.store, name);
    network.members.push(path);
    const client = server.createClient({ endpoints: path.endpoint, requestTimeoutMs: this.random.pick([5_000, 60_000]) });
    const orders = { contenders: CONTENDERS, locks: ['red', 'green'], ttl: this.random.pick(TTLS), seed: this.random.int(0, 2 ** 31) };
    const say = (line: Line): void => void (seat.alive && this.lines.push(line));
    const work = contend(orders, { etcd: client, tempo: TEMPO, now: () => asyncScheduler.now(), say }).subscribe();
    const seat: Seat = { path, client, work, alive: true };
    this.seats[index] = seat;
    this.lines.push({ is: 'ready' });
  }

  private trouble(index: number): void {
    const random = this.random.fork(`seat ${index}`);
    const pause = (): number => random.int(1_000, 60_000);
    const strike = (): void => {
      const seat = this.seats[index];
      if (seat === undefined || asyncScheduler.now() >= LENGTH_MS - 90_000) return;
      this.strike(index, seat, random);
      asyncScheduler.schedule(strike, pause());
    };
    asyncScheduler.schedule(strike, pause());
  }

  private strike(index: number, { path }: Seat, random: Random): void {
    const { server } = this.etcd;
    const { endpoint } = path;
    const forAWhile = (end: () => void): void => void asyncScheduler.schedule(end, random.int(200, random.pick([5_000, 60_000, 60_000])));
    const ofSeat = ({ endpoint: at, rpc }: { readonly endpoint: string; readonly rpc: string }): boolean =>
      at === endpoint && !rpc.startsWith('GET ');
    const faults: readonly (() => void)[] = [
      () => this.kill(index),
      () => server.breakConnections(endpoint),
      () => {
        const direction = random.pick(['requests', 'responses'] as const);
        server.stall(direction, endpoint);
        if (random.chance(0.3)) server.stall(direction === 'requests' ? 'responses' : 'requests', endpoint);
        forAWhile(() => server.resume(endpoint));
      },
      () => {
        server.disconnect(endpoint);
        forAWhile(() => server.connect(endpoint));
      },
      () => server.dropResponse(ofSeat),
      () => server.fail(ofSeat, random.pick(['Unreachable', 'ConnectionLost', 'NoLeader', 'Timeout'])),
      () => server.changeLeader(),
      () => {
        if (server.leases.length === 0) return;
        const { id, keys } = random.pick(server.leases);
        for (const key of keys) this.revoked.add(key);
        server.expireLease(id);
      },
      () => {
        server.restart();
        // All calls have ended, without an error.
        this.recordHistory();
      },
    ];
    random.pick(faults)();
  }

  /** Ends a process without a release, and starts another. */
  private kill(index: number): void {
    const seat = this.seats[index];
    if (seat === undefined) return;
    seat.alive = false;
    this.etcd.server.disconnect(seat.path.endpoint);
    seat.work.unsubscribe();
    void seat.client.close({ timeoutMs: 1 });
    this.sit(index);
  }

  private end(): void {
    for (const seat of this.seats) {
      this.etcd.server.connect(seat.path.endpoint);
      this.etcd.server.resume(seat.path.endpoint);
    }
    asyncScheduler.schedule(() => {
      this.lines.push({ is: 'closing' });
      for (const seat of this.seats) seat.work.unsubscribe();
      void this.etcd.server.close();
    }, 60_000);
  }

  private recordHistory(): void {
    followHistory(this.etcd, (events) => {
      for (const { type, kv, revision } of events) {
        const value = type === 'put' ? kv.value : '';
        this.history.push({ revision, type, key: kv.key, value, createRevision: kv.createRevision, at: asyncScheduler.now() });
      }
    });
  }
}
