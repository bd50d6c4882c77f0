import { asyncScheduler } from 'rxjs';
import { del, hasReason, isEtcdError, put, type Client, type Range, type WatchOptions } from '../../../src/index.js';
import { authRpcs } from '../../../src/codec/auth.js';
import { requestText, type Rpc } from '../../../src/codec/descriptors.js';
import { openMemory, type MemoryEtcd } from '../../support/memory/servers.js';
import { randomFrom, type Random } from '../../support/random.js';
import { History, Recorder, violations, type Written } from '../../support/watchGuarantees.js';
import { faultsOf, HOUR_MS } from './faults.js';
import { followHistory, inVirtualTime } from './virtualRun.js';

/** The figures of a run that kept every promise. */
export interface WatchFigures {
  readonly faults: number;
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
/** The time after the last fault in which everything must come right, by itself. */
const SETTLING_MS = 180_000;

/** An hour of writers, watches, a live range and faults. @throws Error with all promises that were broken */
export function watchRun(seed: number): WatchFigures {
  return inVirtualTime(() => new WatchRun(randomFrom(seed))).judge();
}

class WatchRun {
  private readonly etcd: MemoryEtcd;
  private readonly client: Client;
  private lasting: Recorder[];
  private readonly others: Recorder[] = [];
  private readonly written = new Map<number, Written[]>();
  private readonly problems: string[] = [];
  private readonly nextFault: () => void;
  private faults = 0;
  private count = 0;
  private compacted = 0;
  private liveKeys: readonly string[] = [];
  private viewStatus = '';

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
      next: ({ state }) => (this.liveKeys = [...state.values()].map(({ key, value }) => `${key}=${value}`)),
      error: (error: unknown) => this.problems.push(`live failed: ${String(error)}`),
    });
    this.client.liveState({ prefix: 'a/' }).subscribe(({ status }) => (this.viewStatus = status));
    this.nextFault = faultsOf(this.etcd, random.fork('faults'), {
      // Before 3.5 a watch that begins at the very revision of a compaction is not told of its deletions.
      mayCompact: (revision) => (this.written.get(revision) ?? []).every(({ type }) => type === 'put'),
      compacted: (revision) => void (this.compacted = Math.max(this.compacted, revision)),
      // All calls have ended, without a word.
      restarted: () => this.recordHistory(),
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

  judge(): WatchFigures {
    const history = new History(this.written);
    for (const watch of this.lasting) watch.through = history.last;
    for (const watch of this.all) watch.compacted = this.compacted;
    for (const { name, end, next } of this.all)
      if (end !== undefined && end !== 'completed' && !isCompactedAway(end, next))
        this.problems.push(`'${name}' ended at ${next}: ${reasonOf(end)}`);
    for (const watch of this.all)
      for (const { promise, watcher, revision, what } of violations(history, watch))
        this.problems.push(`'${watcher}' is not ${promise}: at ${revision}, ${what}`);
    if (this.problems.length > 0) throw new Error(`${this.problems.length} problems:\n${this.problems.slice(0, 12).join('\n')}`);
    return { faults: this.faults, events: this.all.reduce((sum, { events }) => sum + events, 0), watches: this.all.length };
  }

  private get all(): readonly Recorder[] {
    return [...this.lasting, ...this.others];
  }

  /** From here on the client needs a token, which faults take from it. */
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
        const changes = this.written.get(revision) ?? [];
        changes.push({ type, key: kv.key, value: type === 'put' ? kv.value : '' });
        this.written.set(revision, changes);
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
    return new Recorder(name, range, options, this.client.watchBatches(range, options));
  }

  /** Writes some keys: as another client does, or by the client before which the faults are. */
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

  /** A write by the client is done once at most, and its outcome is what the client says. */
  private writeByClient(key: string, value: string): void {
    const times = (): number[] =>
      [...this.written].filter(([, changes]) => changes.some((change) => change.value === value)).map(([revision]) => revision);
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
    this.others.at(-4)?.stop();
    const range: Range = this.random.pick<Range>([{ prefix: 'a/' }, { prefix: 'b/' }, 'a/1', { all: true }]);
    const { revision } = this.etcd.server;
    const options = this.random.chance(0.5) ? { startRevision: Math.max(1, revision - this.random.int(0, 60)) } : {};
    this.others.push(this.watch(`joined as number ${this.others.length + 1}`, range, options));
  }

  /** One that a compaction overtook goes on as another, from where its error says that there is something left. */
  private replaceOvertaken(): void {
    this.lasting = this.lasting.map((watch) => {
      const { end, name, range, options, next } = watch;
      if (end === undefined || end === 'completed' || !isCompactedAway(end, next)) return watch;
      this.others.unshift(watch);
      return this.watch(name, range, { ...options, startRevision: compactRevisionOf(end) });
    });
  }

  private heal(): void {
    const { server } = this.etcd;
    server.connect();
    server.resume();
    server.heal();
    asyncScheduler.schedule(() => this.replaceOvertaken(), SETTLING_MS / 2);
    asyncScheduler.schedule(() => server.put('a/0', 'the last'), (SETTLING_MS * 2) / 3);
    asyncScheduler.schedule(() => server.put('a/1', 'the very last'), (SETTLING_MS * 2) / 3);
    asyncScheduler.schedule(() => server.delete('a/1'), (SETTLING_MS * 2) / 3);
  }

  private finish(): void {
    const { server } = this.etcd;
    const stored = server.range({ prefix: 'a/' }).kvs.map(({ key, value }) => `${key}=${value}`);
    this.liveKeys = [...this.liveKeys].sort();
    if (stored.join() !== this.liveKeys.join()) this.problems.push(`live has ${this.liveKeys.join()}, and the store ${stored.join()}`);
    if (this.viewStatus !== 'live') this.problems.push(`liveState is ${this.viewStatus} at the end`);
    void server.close();
  }
}

type End = { readonly error: unknown };

const compactRevisionOf = ({ error }: End): number => (hasReason(error, 'Compacted') ? (error.compactRevision ?? 0) : 0);
/** Before 3.5.16 the next revision may have lost its deletes if the history is compacted there. */
const isCompactedAway = (end: End, next: number): boolean => hasReason(end.error, 'Compacted') && compactRevisionOf(end) >= next;
const reasonOf = ({ error }: End): string => (isEtcdError(error) ? `${error.reason}: ${error.message}` : String(error));
