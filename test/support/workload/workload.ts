import { setTimeout as delay } from 'node:timers/promises';
import { BehaviorSubject, firstValueFrom } from 'rxjs';
import { createClient, type Client, type ConnectionState } from '../../../src/index.js';
import type { FaultCluster } from '../cluster/cluster.js';
import { History } from '../watchGuarantees.js';
import type { Random } from '../random.js';
import { awakeNow } from '../stopwatch.js';
import { Contender } from './contender.js';
import { Gate } from './pauseGate.js';
import { Holder } from './holder.js';
import { LockWork } from './lockWork.js';
import type { Breach, CallNote, WriteNote } from './callLog.js';
import { Reader } from './reader.js';
import { askTruth, carriedOut, writtenOf } from './serverLog.js';
import { Tries } from './attemptLog.js';
import { watchersOf, type Watcher } from './watcher.js';
import { Writer } from './writer.js';

const WRITERS_EACH = 2;
const READ_EVERY_MS = 50;
const LEASE_TTL = 4;

/** One who uses the cluster by a client of its own, as it is by default. */
interface User {
  readonly etcd: Client;
  readonly reader: Reader;
  readonly watchers: readonly Watcher[];
  readonly holder: Holder;
  /** How its watches are connected. */
  readonly connection: BehaviorSubject<ConnectionState>;
}

/** All that a workload saw, and what truly happened. */
export interface Records {
  readonly reads: readonly CallNote[];
  readonly writes: readonly WriteNote[];
  /** When each watch heard of which revision. */
  readonly heard: readonly ReadonlyMap<number, number>[];
  readonly leaseLosses: readonly number[];
  /** When those who held the lock were told that they do not any more. */
  readonly lockLosses: readonly number[];
  /** When the work under the lock began, and each time that it went on. */
  readonly lockSteps: readonly number[];
  /** The revisions at which each write was carried out. */
  readonly carriedOut: ReadonlyMap<string, readonly number[]>;
  readonly breaches: readonly Breach[];
}

/** Readers, writers, watches, leases and a lock on a cluster, of as many users as it has members. */
export class Workload {
  private readonly gate = new Gate();
  private readonly writers: readonly Writer[];
  private readonly users: readonly User[];
  private readonly locks: LockWork;

  constructor(
    private readonly cluster: FaultCluster,
    random: Random,
  ) {
    const { endpoints, access } = cluster;
    // Each begins with another member, so that every member has the streams of one of them.
    const clients = endpoints.map((_, first) => {
      const tries = new Tries();
      const addresses = [...endpoints.slice(first), ...endpoints.slice(0, first)];
      return { tries, etcd: createClient({ ...access, endpoints: addresses, retry: tries.listen }) };
    });
    this.writers = clients.flatMap(({ etcd }, user) =>
      Array.from({ length: WRITERS_EACH }, (_, index) => {
        const name = `w${user}.${index}`;
        return new Writer(name, etcd, random.fork(name), this.gate);
      }),
    );
    this.users = clients.map(({ etcd, tries }, user) => ({
      etcd,
      reader: new Reader({
        etcd,
        tries,
        writers: this.writers,
        random: random.fork(`reader ${user}`),
        gate: this.gate,
        everyMs: READ_EVERY_MS,
      }),
      watchers: watchersOf(`user ${user}`, etcd),
      holder: new Holder(`user ${user}`, etcd, LEASE_TTL),
      connection: stateOf(etcd),
    }));
    this.locks = new LockWork(
      clients.map(({ etcd }, user) => {
        const name = `contender ${user}`;
        return new Contender(name, etcd, random.fork(name), this.gate);
      }),
    );
  }

  /** No calls, until {@link go}; watches and leases stay. */
  hold(): void {
    this.gate.hold();
  }

  go(): void {
    this.gate.go();
  }

  /** Resolves when every read that is under way has ended, the work under the lock goes on, and every watch has come as far as the writers had at the beginning, or has had time enough. */
  async calm(): Promise<void> {
    const due = this.revision;
    await Promise.all([this.locks.goesOn(), ...this.users.map(({ reader }) => reader.drained())]);
    for (
      const end = performance.now() + 12_000;
      performance.now() < end && !this.watchers.every((watch) => watch.recorder.revision >= due - 20);
    )
      await delay(10);
  }

  /** Ends it, and tells what was seen. The cluster has to be well. */
  async finish(): Promise<Records> {
    const { direct } = this.cluster;
    await this.locks.goesOn();
    this.gate.close();
    await Promise.all([
      this.locks.finish(),
      ...this.writers.map((writer) => writer.finished()),
      ...this.users.map(({ reader }) => reader.finish()),
    ]);
    const truth = await askTruth(direct, await this.lastRevision());
    const history = new History(writtenOf(truth));
    for (const end = performance.now() + 10_000; performance.now() < end && !this.watchers.every((watch) => watch.complete(history));)
      await delay(10);
    await Promise.all([this.locks.judge(direct), ...this.users.map(({ holder }) => holder.finish(direct))]);
    const at = awakeNow();
    return {
      reads: this.users.flatMap(({ reader }) => reader.notes),
      writes: this.writers.flatMap(({ notes }) => notes),
      heard: this.watchers.map(({ heard }) => heard),
      leaseLosses: this.users.flatMap(({ holder }) => holder.losses),
      lockLosses: this.locks.losses,
      lockSteps: this.locks.steps,
      carriedOut: carriedOut(truth),
      breaches: [
        ...this.locks.breaches,
        ...[...this.writers, ...this.users.flatMap(({ reader, holder }) => [reader, holder])].flatMap(({ breaches }) => breaches),
        ...this.watchers.flatMap((watch) => watch.problems(history)).map((what) => ({ at, what })),
      ],
    };
  }

  async close(): Promise<void> {
    this.gate.close();
    await this.locks.finish();
    for (const { watchers } of this.users) for (const watch of watchers) watch.stop();
    await Promise.all(this.users.map(({ reader }) => reader.finish()));
    await Promise.all(this.users.map(({ etcd }) => etcd.close()));
  }

  /** Where the streams of watches are now. */
  get streaming(): ReadonlySet<string> {
    return new Set(this.users.flatMap(({ connection: { value } }) => (value.status === 'connected' ? [value.endpoint] : [])));
  }

  private get watchers(): readonly Watcher[] {
    return this.users.flatMap(({ watchers }) => watchers);
  }

  /** The last that a writer was told of. */
  private get revision(): number {
    return Math.max(0, ...this.writers.map(({ revision }) => revision));
  }

  /** Once it does not change any more: what was in doubt may still be on its way. */
  private async lastRevision(): Promise<number> {
    for (let last = 0; ; await delay(500)) {
      const { header } = await firstValueFrom(this.cluster.direct.kv.range('none', { limit: 1 }));
      if (header.revision === last) return last;
      last = header.revision;
    }
  }
}

function stateOf(etcd: Client): BehaviorSubject<ConnectionState> {
  const state = new BehaviorSubject<ConnectionState>({ status: 'idle' });
  etcd.connection$.subscribe(state);
  return state;
}
