import { asyncScheduler } from 'rxjs';
import { hasReason, type Cache, type KeyValue } from '../../../src/index.js';
import { LinearizabilityChecker } from '../../support/cache/linearizability.js';
import { KEYS, PREFIX, readAtRandom, writeAtRandom } from '../../support/cache/randomAccess.js';
import { followHistory } from '../../support/memory/history.js';
import { openMemory, type MemoryEtcd } from '../../support/memory/servers.js';
import { randomFrom, type Random } from '../../support/random.js';
import { faultsOf, HOUR_MS } from './faults.js';
import { inVirtualTime } from './virtualRun.js';

/** The figures of a run in which no read was wrong. */
export interface CacheFigures {
  readonly faults: number;
  readonly linearizable: number;
  readonly local: number;
  readonly staleLocal: number;
  /** How often a cache lost the history, and listed its range again. */
  readonly lists: number;
}

const CACHES = 2;
const READERS = ['linearizable', 'linearizable', 'local'] as const;
/** More keys than those that each request summarises completely. */
const MANY_KEYS = 150;
/** The time after the last fault in which everything must recover. */
const SETTLING_MS = 180_000;

/** An hour of writers, caches, readers and faults. @throws Error with all problems */
export function cacheRun(seed: number): CacheFigures {
  return inVirtualTime(() => new CacheRun(randomFrom(seed))).verify();
}

class CacheRun {
  private readonly etcd: MemoryEtcd;
  private readonly fresh = new LinearizabilityChecker();
  private readonly local = new LinearizabilityChecker();
  private readonly problems: string[] = [];
  private readonly nextFault: () => void;
  private faults = 0;
  private lists = 0;
  private count = 0;
  /** The reads after the recovery. */
  private settledReads = Infinity;

  constructor(private readonly random: Random) {
    const members = random.pick([1, 1, 3]);
    this.etcd = openMemory({ version: random.pick(['3.3', '3.4', '3.5', '3.6']), members, latencyMs: random.pick([0, 0, 1, 20]) });
    const { server } = this.etcd;
    this.recordHistory();
    if (random.chance(0.3)) for (let index = 0; index < MANY_KEYS; index++) this.write(() => server.put(`${PREFIX}more/${index}`, ''));
    for (let index = 0; index < CACHES; index++) this.hold(`cache ${index}`);
    this.play(writeAtRandom(server.createClient(), random.fork('writer'), this.checkers, this.mayGo, () => this.random.int(1, 120_000)));
    this.nextFault = faultsOf(this.etcd, random.fork('faults'), {
      mayCompact: () => true,
      compacted: () => undefined,
      // All calls have ended, without an error.
      restarted: () => this.recordHistory(),
      wiped: () => {
        for (const checker of this.checkers) checker.storeReplaced();
        this.recordHistory();
      },
    });
    this.repeat('writes beside the network', 15_000, () => this.writeDirectly());
    this.repeat('faults', 100_000, () => {
      this.faults += 1;
      this.nextFault();
    });
    this.repeat('losses', 1_200_000, () => this.loseHistory());
    asyncScheduler.schedule(() => this.heal(), HOUR_MS);
    asyncScheduler.schedule(() => void server.close(), HOUR_MS + SETTLING_MS);
  }

  verify(): CacheFigures {
    if (this.fresh.count <= this.settledReads) this.problems.push(`no more reads after the faults: ${this.fresh.count}`);
    const problems = [...this.problems, ...this.fresh.faults()];
    if (problems.length > 0)
      throw new Error(
        `${problems.length} problems:\n${problems
          .slice(0, 12)
          .map((each) => each.slice(0, 400))
          .join('\n')}`,
      );
    const { faults, lists, fresh, local } = this;
    return { faults, lists, linearizable: fresh.count, local: local.count, staleLocal: local.faults().length };
  }

  private get checkers(): readonly LinearizabilityChecker[] {
    return [this.fresh, this.local];
  }

  private readonly mayGo = (): boolean => asyncScheduler.now() < HOUR_MS + SETTLING_MS / 2;

  private recordHistory(): void {
    followHistory(this.etcd, (all) => {
      const events = all.filter(({ kv }) => kv.key.startsWith(PREFIX));
      for (const revision of new Set(events.map((event) => event.revision))) {
        const changes = events.filter((event) => event.revision === revision);
        for (const checker of this.checkers) checker.accept({ type: 'events', revision, events: changes });
      }
    });
  }

  /** Holds a cache with a separate client, reads from it, and follows its watch. */
  private hold(name: string): void {
    const random = this.random.fork(name);
    const client = this.etcd.server.createClient({ requestTimeoutMs: random.pick([2_000, 10_000]) });
    let held: Cache | undefined;
    client.cache({ prefix: PREFIX }, { historyEvents: random.pick([10, 1_000]) }).subscribe({
      next: (cache) => {
        held = cache;
        this.follow(name, cache);
      },
      error: (error: unknown) => this.problems.push(`${name} failed: ${String(error)}`),
    });
    READERS.forEach((consistency, index) => {
      const own = random.fork(`reader ${index}`);
      const pause = (): number => own.int(0, own.pick([2, 50, 20_000]));
      const checker = consistency === 'local' ? this.local : this.fresh;
      this.play(readAtRandom(() => held, own, checker, consistency, this.mayGo, pause));
    });
    asyncScheduler.schedule(() => this.compareAtTheEnd(name, held), HOUR_MS + (SETTLING_MS * 2) / 3);
  }

  /** Keeps a copy by the watch of a cache. Each event has to continue the copy, until the history is lost. */
  private follow(name: string, cache: Cache): void {
    const copy = new Map<string, number>();
    let next = 0;
    cache.range(undefined, { consistency: 'local' }).subscribe(({ kvs, revision }) => {
      next = revision + 1;
      for (const { key, modRevision } of kvs) copy.set(key, modRevision);
    });
    cache.watch(undefined, { startRevision: next }).subscribe({
      next: ({ type, kv, prevKv, revision }) => {
        const before = copy.get(kv.key);
        if (revision < next || before !== prevKv?.modRevision)
          this.problems.push(
            `${name}: an event at ${revision} of ${kv.key} after ${before ?? 'none'}, received as after ${prevKv?.modRevision ?? 'none'}`,
          );
        next = revision;
        if (type === 'put') copy.set(kv.key, kv.modRevision);
        else copy.delete(kv.key);
      },
      error: (error: unknown) => {
        if (!hasReason(error, 'Compacted')) return void this.problems.push(`${name}: the watch failed: ${String(error)}`);
        this.lists += 1;
        this.follow(name, cache);
      },
    });
  }

  private repeat(name: string, meanMs: number, act: () => void): void {
    const random = this.random.fork(`times of ${name}`);
    const pause = (): number => Math.round(-Math.log(1 - random.next()) * meanMs);
    asyncScheduler.schedule(function () {
      if (asyncScheduler.now() >= HOUR_MS) return;
      act();
      this.schedule(undefined, pause());
    }, pause());
  }

  private play(player: Promise<unknown>): void {
    player.catch((error: unknown) => this.problems.push(`a player failed: ${String(error)}`));
  }

  /** Writes to the store itself, which the faults of the network do not affect. */
  private writeDirectly(): void {
    const { server } = this.etcd;
    const key = this.random.pick(KEYS);
    const value = `direct ${++this.count}`;
    if (this.random.chance(0.3)) this.write(() => server.put('beside', value));
    else if (this.random.chance(0.3)) this.write(() => server.delete(key));
    else this.write(() => server.put(key, value));
  }

  private write(act: () => { readonly header: { readonly revision: number }; readonly deleted?: number }): void {
    const ends = this.checkers.map((checker) => checker.beginWrite());
    const { header, deleted } = act();
    for (const end of ends) end(header.revision, deleted !== 0);
  }

  /** An outage in which the changes that the caches miss are compacted. */
  private loseHistory(): void {
    const { server } = this.etcd;
    this.faults += 1;
    server.disconnect();
    for (let count = 0; count < 10; count++) this.writeDirectly();
    server.compact(server.revision);
    asyncScheduler.schedule(() => server.connect(), this.random.int(1, 30_000));
  }

  private heal(): void {
    const { server } = this.etcd;
    server.connect();
    server.resume();
    server.heal();
    asyncScheduler.schedule(() => (this.settledReads = this.fresh.count), SETTLING_MS / 3);
  }

  private compareAtTheEnd(name: string, cache: Cache | undefined): void {
    const shown = (kvs: readonly KeyValue[]): string => kvs.map(({ key, value, modRevision }) => `${key}=${value}@${modRevision}`).join();
    const stored = shown(this.etcd.server.range({ prefix: PREFIX }).kvs);
    if (cache === undefined) return void this.problems.push(`${name} was never held`);
    let found = 'nothing';
    const read = cache.range().subscribe({ next: ({ kvs }) => (found = shown(kvs)), error: (error: unknown) => (found = String(error)) });
    asyncScheduler.schedule(() => {
      read.unsubscribe();
      if (found !== stored) this.problems.push(`${name} has ${found} at the end, and the store ${stored}`);
    }, SETTLING_MS / 6);
  }
}
