import { asyncScheduler } from 'rxjs';
import { del, hasReason, put, type Client, type KeyValue, type Range, type ViewState, type WatchOptions } from '../../../src/index.js';
import { authRpcs } from '../../../src/codec/auth.js';
import { requestText } from '../../../src/codec/message.js';
import type { Rpc } from '../../../src/codec/descriptors.js';
import { followHistory } from '../../support/memory/history.js';
import { openMemory, type MemoryEtcd } from '../../support/memory/servers.js';
import { randomFrom, type Random } from '../../support/random.js';
import { Recorder } from '../../support/watchGuarantees.js';
import { compactRevisionOf, Era, isOvertaken, reasonOf } from './era.js';
import { faultsOf, HOUR_MS } from './faults.js';
import { inVirtualTime } from './virtualRun.js';

/** The figures of a run that kept every guarantee. */
export interface WatchFigures {
  readonly faults: number;
  /** The number of stores that were wiped. */
  readonly wipes: number;
  readonly events: number;
  readonly watches: number;
}

const LASTING: readonly (readonly [name: string, range: Range, options?: WatchOptions])[] = [
  ['prefix a', { prefix: 'a/' }],
  ['prefix a with prevKv', { prefix: 'a/' }, { prevKv: true }],
  ['one key', 'a/1'],
  ['deletes', { all: true }, { noPut: true, prevKv: true }],
  ['all from the first', { all: true }, { startRevision: 1 }],
];
const ROOT = { username: 'root', password: 'pw' };
const KEYS = ['a/0', 'a/1', 'a/2', 'b/0', 'b/1'];
/** The time after the last fault in which everything must recover. */
const SETTLING_MS = 180_000;

/** An hour of writers, watches, a live range and faults. @throws Error with all violated guarantees */
export function watchRun(seed: number): WatchFigures {
  return inVirtualTime(() => new WatchRun(randomFrom(seed))).verify();
}

class WatchRun {
  private readonly etcd: MemoryEtcd;
  private readonly client: Client;
  private readonly eras: Era[] = [];
  private era = this.nextEra();
  private lasting: Recorder[];
  private readonly joined: Recorder[] = [];
  private readonly problems: string[] = [];
  private readonly nextFault: () => void;
  private faults = 0;
  private count = 0;
  private liveKeys: readonly string[] = [];
  private view: ViewState<ReadonlyMap<string, KeyValue>> | undefined;

  constructor(private readonly random: Random) {
    const members = random.pick([1, 1, 3]);
    this.etcd = openMemory({ version: random.pick(['3.3', '3.4', '3.5', '3.6']), members, latencyMs: random.pick([0, 0, 1, 20]) });
    const { server } = this.etcd;
    this.recordHistory();
    const withUsers = random.chance(0.3);
    if (withUsers) this.enableAuth();
    this.client = server.createClient({ requestTimeoutMs: random.pick([2_000, 10_000]), ...(withUsers ? { auth: ROOT } : {}) });
    this.lasting = LASTING.map(([name, range, options = {}]) => this.watch(name, range, options));
    this.client.live({ prefix: 'a/' }).subscribe({
      next: ({ state }) => (this.liveKeys = keysIn(state.values())),
      error: (error: unknown) => this.problems.push(`live failed: ${String(error)}`),
    });
    this.client.liveState({ prefix: 'a/' }).subscribe((state) => (this.view = state));
    this.nextFault = faultsOf(this.etcd, random.fork('faults'), {
      // Before 3.5 a watch that begins exactly at the revision of a compaction misses its deletions.
      mayCompact: (revision) => (this.era.written.get(revision) ?? []).every(({ type }) => type === 'put'),
      compacted: (revision) => void (this.era.compacted = Math.max(this.era.compacted, revision)),
      // All calls have ended, without an error.
      restarted: () => this.recordHistory(),
      wiped: () => {
        this.era.end();
        this.era = this.nextEra();
        this.recordHistory();
        if (withUsers) this.enableAuth();
      },
    });
    this.repeat('writer', 30_000, () => this.write());
    this.repeat('faults', 120_000, () => {
      this.faults += 1;
      this.nextFault();
    });
    this.repeat('joiner', 400_000, () => this.join());
    this.repeat('look', 20_000, () => this.replaceOvertaken());
    asyncScheduler.schedule(() => this.heal(), HOUR_MS);
    asyncScheduler.schedule(() => this.finish(), HOUR_MS + SETTLING_MS);
  }

  verify(): WatchFigures {
    for (const era of this.eras) this.problems.push(...era.problems(this.lasting));
    if (this.problems.length > 0) throw new Error(`${this.problems.length} problems:\n${this.problems.slice(0, 12).join('\n')}`);
    const all = this.eras.flatMap((era) => era.all);
    return {
      faults: this.faults,
      wipes: this.eras.length - 1,
      events: all.reduce((sum, { events }) => sum + events, 0),
      watches: all.length,
    };
  }

  private nextEra(): Era {
    const era = new Era(this.eras.length === 0);
    this.eras.push(era);
    return era;
  }

  /** From here on the client needs a token, which faults invalidate. */
  private enableAuth(): void {
    const call = <In>(rpc: Rpc<In, unknown>, request: In): unknown =>
      this.etcd.network.store.call(rpc, requestText(rpc, request), { isTrusted: true });
    call(authRpcs.userAdd, { name: ROOT.username, password: ROOT.password });
    call(authRpcs.roleAdd, { name: 'root' });
    call(authRpcs.userGrantRole, { user: ROOT.username, role: 'root' });
    call(authRpcs.enable, {});
  }

  private recordHistory(): void {
    followHistory(this.etcd, (events) => {
      for (const { type, kv, revision } of events) {
        const changes = this.era.written.get(revision) ?? [];
        changes.push({ type, key: kv.key, value: type === 'put' ? kv.value : '' });
        this.era.written.set(revision, changes);
      }
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

  private watch(name: string, range: Range, options: WatchOptions = {}): Recorder {
    return this.era.add(new Recorder(name, range, options, this.client.watchBatches(range, options)));
  }

  /** Writes some keys: as another client, or by the client behind the faults. */
  private write(): void {
    const { server } = this.etcd;
    const burst = this.random.chance(0.2) ? this.random.int(2, 10) : 1;
    for (let index = 0; index < burst; index++) {
      const value = String(++this.count);
      const key = this.random.pick(KEYS);
      if (this.random.chance(0.25)) this.writeByClient(key, `own ${value}`);
      else if (this.random.chance(0.2)) server.delete(this.random.chance(0.3) ? { prefix: 'a/' } : key);
      else if (this.random.chance(0.3)) {
        const other = this.random.pick(KEYS.filter((one) => one !== key));
        server.txn({ success: [put(key, value), this.random.chance(0.5) ? put(other, value) : del(other)] });
      } else server.put(key, value);
    }
  }

  /** The client carries out a write once at most, and reports its outcome. */
  private writeByClient(key: string, value: string): void {
    const times = (): number[] => this.eras.flatMap((era) => era.revisionsOf(value));
    this.client.kv.put(key, value).subscribe({
      next: ({ header }) => {
        if (times().join() !== String(header.revision))
          this.problems.push(`put ${value} at ${header.revision} is in the history at ${times().join()}`);
      },
      error: (error: unknown) => {
        const most = hasReason(error, 'AmbiguousWrite') ? 1 : 0;
        asyncScheduler.schedule(() => {
          if (times().length > most)
            this.problems.push(`put ${value} failed (${reasonOf({ error })}), and was done ${times().length} times`);
        }, SETTLING_MS / 2);
      },
    });
  }

  private join(): void {
    const oldest = this.joined.at(-4);
    if (oldest !== undefined) for (const era of this.eras) if (era.all.includes(oldest)) era.leave(oldest);
    const range: Range = this.random.pick<Range>([{ prefix: 'a/' }, { prefix: 'b/' }, 'a/1', { all: true }]);
    const { revision } = this.etcd.server;
    const options = this.random.chance(0.5) ? { startRevision: Math.max(1, revision - this.random.int(0, 60)) } : {};
    this.joined.push(this.watch(`joined as number ${this.joined.length + 1}`, range, options));
  }

  /**
   * A watch that ended with `Compacted` is replaced by another, from the oldest revision that its error names. A watch
   * whose store was wiped begins again.
   */
  private replaceOvertaken(): void {
    this.lasting = this.lasting.map((watch, index) => {
      const [name, range, options] = LASTING[index] ?? ['', ''];
      if (this.era.hasLost(watch)) return this.watch(name, range, options);
      return isOvertaken(watch) ? this.watch(name, range, { ...options, startRevision: compactRevisionOf(watch) }) : watch;
    });
  }

  private heal(): void {
    const { server } = this.etcd;
    server.connect();
    server.resume();
    server.heal();
    // A watch that begins again after a wipe may also end with `Compacted`.
    for (const ms of [SETTLING_MS / 3, SETTLING_MS / 2]) asyncScheduler.schedule(() => this.replaceOvertaken(), ms);
    asyncScheduler.schedule(() => server.put('a/0', 'the last'), (SETTLING_MS * 2) / 3);
    asyncScheduler.schedule(() => server.put('a/1', 'the very last'), (SETTLING_MS * 2) / 3);
    asyncScheduler.schedule(() => server.delete('a/1'), (SETTLING_MS * 2) / 3);
  }

  private finish(): void {
    const { server } = this.etcd;
    const stored = keysIn(server.range({ prefix: 'a/' }).kvs).join();
    if (stored !== this.liveKeys.join()) this.problems.push(`live has ${this.liveKeys.join()}, and the store ${stored}`);
    const { status = 'missing', value = new Map<string, KeyValue>() } = this.view ?? {};
    if (status !== 'live') this.problems.push(`liveState is ${status} at the end`);
    if (stored !== keysIn(value.values()).join())
      this.problems.push(`liveState has ${keysIn(value.values()).join()}, and the store ${stored}`);
    for (const watch of this.lasting) if (!this.era.all.includes(watch)) this.problems.push(`'${watch.name}' was never replaced`);
    void server.close();
  }
}

/** Returns the keys with their values, in order. */
const keysIn = (kvs: Iterable<KeyValue>): readonly string[] => [...kvs].map(({ key, value }) => `${key}=${value}`).sort();
