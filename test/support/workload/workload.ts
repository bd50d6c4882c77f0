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

/** A user of the cluster, with a separate client that has the default options. */
interface User {
  readonly etcd: Client;
  readonly reader: Reader;
  readonly watchers: readonly Watcher[];
  readonly holder: Holder;
  /** The state of the connections of its watches. */
  readonly connection: BehaviorSubject<ConnectionState>;
}

/** The records of a workload, and the true history. */
export interface Records {
  readonly reads: readonly CallNote[];
  readonly writes: readonly WriteNote[];
  /** The time at which each watch received each revision. */
  readonly heard: readonly ReadonlyMap<number, number>[];
  readonly leaseLosses: readonly number[];
  /** The times at which owners of the lock received its loss. */
  readonly lockLosses: readonly number[];
  /** The times at which the work under the lock began, and at which it continued. */
  readonly lockSteps: readonly number[];
  /** The revisions at which each write was carried out. */
  readonly carriedOut: ReadonlyMap<string, readonly number[]>;
  readonly breaches: readonly Breach[];
}

/** Readers, writers, watches, leases and a lock on a cluster, with as many users as members. */
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
    // Each user begins with another member, so that every member has streams.
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

  /** Makes no calls until {@link go}; watches and leases stay. */
  hold(): void {
    this.gate.hold();
  }

  go(): void {
    this.gate.go();
  }

  /**
   * Resolves when all running reads have ended, the work under the lock continues, and every watch has reached the
   * revision that the writers had at the beginning; or after a timeout.
   */
  async calm(): Promise<void> {
    const due = this.revision;
    await Promise.all([this.locks.goesOn(), ...this.users.map(({ reader }) => reader.drained())]);
    for (
      const end = performance.now() + 12_000;
      performance.now() < end && !this.watchers.every((watch) => watch.recorder.revision >= due - 20);
    )
      await delay(10);
  }

  /** Ends the workload, and returns the records. The cluster must have recovered. */
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
    await Promise.all([this.locks.verify(direct), ...this.users.map(({ holder }) => holder.finish(direct))]);
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

  /** The members that have the streams of watches at present. */
  get streaming(): ReadonlySet<string> {
    return new Set(this.users.flatMap(({ connection: { value } }) => (value.status === 'connected' ? [value.endpoint] : [])));
  }

  private get watchers(): readonly Watcher[] {
    return this.users.flatMap(({ watchers }) => watchers);
  }

  /** The last acknowledged revision. */
  private get revision(): number {
    return Math.max(0, ...this.writers.map(({ revision }) => revision));
  }

  /** Resolves with the revision once it does not change any more: ambiguous writes may still arrive. */
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
