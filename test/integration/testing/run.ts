import { authRpcs } from '../../../src/codec/auth.js';
import { kvRpcs, type RequestOpIn, type TxnRequestIn } from '../../../src/codec/kv.js';
import { leaseRpcs } from '../../../src/codec/lease.js';
import type { Rpc } from '../../../src/codec/descriptors.js';
import { watchRpcs } from '../../../src/codec/watch.js';
import { isEtcdError } from '../../../src/errors/index.js';
import { leaseId, type LeaseId } from '../../../src/model/ids.js';
import { KeyValue } from '../../../src/model/keyValue.js';
import { toBytes } from '../../../src/model/bytes.js';
import type { Comparison, KvOp, PutOp, RangeOp, DeleteOp, Step, TxnOp, User, WatchOp } from './programs.js';
import type { Side, WatchIn, WatchOut, WatchSide } from './sides.js';

/** A key that no program uses. */
const CLEARED = 'zz';
const TTL = 100_000;
const ROOT = { name: 'root', password: 'pw' };

/** What a side did: a line for each step, and one for each watch. */
export type Trace = readonly string[];

/** Runs a program on a side that nobody else uses. Revisions in the trace count from the beginning of the program. */
export async function run(side: Side, steps: readonly Step[], leases: number): Promise<Trace> {
  const runner = await Runner.start(side, leases);
  try {
    for (const step of steps) await runner.step(step);
    return await runner.end();
  } finally {
    await runner.clear();
  }
}

/** Runs a program with auth enabled, as the user `root` at first. Its watches are only created. */
export async function runWithAuth(side: Side, steps: readonly Step[], leases: number): Promise<Trace> {
  const runner = await Runner.start(side, leases);
  try {
    await runner.enableAuth();
    for (const step of steps) await runner.step(step);
    return runner.responses;
  } finally {
    await runner.disableAuth();
    await runner.clear();
  }
}

interface Watched {
  readonly op: WatchOp;
  readonly id: number;
  readonly index: number;
  canceled: boolean;
  /** The last revision that is waited for. Whether an event of a later one arrives in time is open. */
  settled: number;
}

class Runner {
  private readonly trace: string[] = [];
  private readonly watched: Watched[] = [];
  private stream: WatchSide | undefined;
  /** The last revision that was compacted. */
  private compacted = 0;
  private withAuth = false;

  private constructor(
    private readonly side: Side,
    private readonly base: number,
    private readonly leases: number,
  ) {}

  static async start(side: Side, leases: number): Promise<Runner> {
    await side.call(kvRpcs.deleteRange, { key: '\0', rangeEnd: '\0' });
    const { header } = await side.call(kvRpcs.put, { key: CLEARED, value: '' });
    const runner = new Runner(side, header.revision, leases);
    await side.call(kvRpcs.deleteRange, { key: CLEARED });
    return runner;
  }

  async step(step: Step): Promise<void> {
    switch (step.kind) {
      case 'range':
        return this.note(kvRpcs.range, this.range(step));
      case 'put':
        return this.note(kvRpcs.put, this.put(step));
      case 'delete':
        return this.note(kvRpcs.deleteRange, deletion(step));
      case 'txn':
        return this.note(kvRpcs.txn, this.txn(step));
      case 'compact':
        // A watch reads its history, and the keys before, when it sends them.
        await this.settle();
        return this.compact(step.revision);
      case 'grant':
        return this.note(leaseRpcs.grant, { id: this.lease(step.lease), ttl: TTL });
      case 'revoke':
        return this.note(leaseRpcs.revoke, { id: this.lease(step.lease) });
      case 'refresh':
        return this.note(leaseRpcs.keepAlive, { id: this.lease(step.lease) }, (rpc, request) => this.side.first(rpc, request));
      case 'timeToLive':
        return this.note(leaseRpcs.timeToLive, { id: this.lease(step.lease), keys: step.keys });
      case 'watch':
        return this.withAuth ? this.firstOfWatch(step) : this.watch(step);
      case 'auth':
        return this.note<unknown, unknown>(authRpcs[step.name], step.request);
      case 'as':
        return this.become(step.user, step.password);
      case 'cancel':
        return this.cancel(step.watch);
    }
  }

  get responses(): Trace {
    return this.trace;
  }

  async enableAuth(): Promise<void> {
    await this.side.call(authRpcs.userAdd, ROOT);
    await this.side.call(authRpcs.roleAdd, { name: 'root' });
    await this.side.call(authRpcs.userGrantRole, { user: 'root', role: 'root' });
    await this.side.call(authRpcs.enable, {});
    this.withAuth = true;
    this.side.token = (await this.side.call(authRpcs.authenticate, ROOT)).token;
  }

  async disableAuth(): Promise<void> {
    this.side.token = undefined;
    this.side.token = (await this.side.call(authRpcs.authenticate, ROOT)).token;
    await this.side.call(authRpcs.disable, {});
    this.side.token = undefined;
    const { users } = await this.side.call(authRpcs.userList, {});
    for (const name of users) await this.side.call(authRpcs.userDelete, { name });
    const { roles } = await this.side.call(authRpcs.roleList, {});
    for (const role of roles) await this.side.call(authRpcs.roleDelete, { role });
  }

  async end(): Promise<Trace> {
    await this.settle();
    for (const watched of this.watched) this.trace.push(`watch ${watched.index}: ${this.events(watched)}`);
    return this.trace;
  }

  async clear(): Promise<void> {
    this.stream?.close();
    for (const lease of [1, 2]) await this.side.call(leaseRpcs.revoke, { id: this.lease(lease) }).catch(() => undefined);
  }

  private async note<In, A>(
    rpc: Rpc<In, A>,
    request: In,
    call: (rpc: Rpc<In, A>, request: In) => Promise<A> = (one, given) => this.side.call(one, given),
  ): Promise<void> {
    this.trace.push(`${rpc.name}: ${await this.outcome(call(rpc, request))}`);
  }

  private async outcome(answer: Promise<unknown>): Promise<string> {
    try {
      return this.text(await answer);
    } catch (error) {
      if (!isEtcdError(error)) throw error;
      return `${error.reason} ${error.code}: ${error.message.replace(/ \([^()]*\)$/, '')}`;
    }
  }

  private async become(user: User, password: string): Promise<void> {
    if (user === 'nobody') this.side.token = undefined;
    else if (user === 'bad') this.side.token = 'bad.1';
    else {
      const before = this.side.token;
      // As a client does, which needs no token to authenticate.
      this.side.token = undefined;
      const answer = this.side.call(authRpcs.authenticate, { name: user, password });
      this.trace.push(`authenticate: ${await this.outcome(answer.then(({ header }) => ({ header })))}`);
      this.side.token = await answer.then(
        ({ token }) => token,
        () => before,
      );
    }
  }

  /** The compaction is complete when it responds, as a watch could still see what it removes. */
  private async compact(revision: number): Promise<void> {
    await this.note(kvRpcs.compact, { revision: this.base + revision, physical: true });
    if (this.trace.at(-1)?.startsWith('KV.Compact: {') === true) this.compacted = revision;
  }

  /** Creates a watch on a stream of its own. Not every server can check a token on a WebSocket. */
  private firstOfWatch({ kind: _, ...op }: WatchOp): Promise<void> {
    return this.note(watchRpcs.watch, { createRequest: this.absolute(op) }, (rpc, request) => this.side.first(rpc, request));
  }

  private async watch(op: WatchOp): Promise<void> {
    this.stream ??= await this.side.watch();
    const { stream } = this;
    const { kind: _, startRevision, ...request } = op;
    const before = stream.responses.filter(({ created }) => created).length;
    const start = startRevision === undefined ? {} : { startRevision: this.base + startRevision };
    stream.send({ createRequest: { ...request, ...start } } satisfies WatchIn);
    await stream.until('created', (responses) => responses.filter(({ created }) => created).length > before);
    const created = stream.responses.filter((response) => response.created)[before];
    if (created === undefined) throw new Error('no response was found');
    this.trace.push(`watch: ${this.text({ ...created, header: created.header.revision === 0 ? 0 : 'revision' })}`);
    if (created.canceled) return;
    const watched: Watched = { op, id: created.watchId, index: this.watched.length, canceled: false, settled: 0 };
    this.watched.push(watched);
    if (startRevision !== undefined && startRevision < this.compacted) await stream.until('compacted', () => this.isCanceled(watched));
  }

  private async cancel(index: number): Promise<void> {
    const watched = this.watched[index];
    if (watched === undefined || watched.canceled || this.isCanceled(watched)) return;
    await this.settle();
    if (this.isCanceled(watched)) return;
    watched.canceled = true;
    this.stream?.send({ cancelRequest: { watchId: watched.id } });
    await this.stream?.until('canceled', () => this.isCanceled(watched));
  }

  /** Waits until each watch has everything, by a put and a deletion that it reports. */
  private async settle(): Promise<void> {
    const open = this.watched.filter((watched) => !this.isCanceled(watched));
    if (open.length === 0) return;
    const first = this.base + Math.max(...open.map(({ op: { startRevision = 0 } }) => startRevision));
    for (let revision = 0; revision < first;) {
      ({ revision } = (await this.side.call(kvRpcs.put, { key: CLEARED, value: '' })).header);
    }
    for (const watched of open) {
      const { key, filters = [] } = watched.op;
      const put = await this.side.call(kvRpcs.put, { key, value: 'settled' });
      const removed = await this.side.call(kvRpcs.deleteRange, { key });
      const last = !filters.includes('NODELETE') ? removed : !filters.includes('NOPUT') ? put : undefined;
      if (last === undefined) continue;
      const { revision } = last.header;
      watched.settled = revision;
      await this.stream?.until(
        `revision ${revision} of watch ${watched.id}`,
        () =>
          this.isCanceled(watched) || this.responsesOf(watched).some(({ events }) => events.some((event) => event.revision >= revision)),
      );
    }
  }

  /** The responses to a watch. A later watch may have its id, once it is canceled. */
  private responsesOf({ id, index }: Watched): readonly WatchOut[] {
    const own = (this.stream?.responses ?? []).filter(({ watchId }) => watchId === id);
    const earlier = this.watched.filter((watched) => watched.id === id && watched.index < index).length;
    let at = -1;
    return own.filter(({ created }) => {
      if (created) at += 1;
      return at === earlier;
    });
  }

  private isCanceled(watched: Watched): boolean {
    return this.responsesOf(watched).some(({ canceled }) => canceled);
  }

  private events(watched: Watched): string {
    const responses = this.responsesOf(watched);
    const end = responses.find(({ canceled }) => canceled);
    const { compactRevision = 0, cancelReason = '', header } = end ?? {};
    return this.text({
      events: responses.flatMap(({ events }) => events.filter(({ revision }) => revision <= watched.settled)),
      ...(end === undefined ? {} : { end: { compactRevision, cancelReason, hasRevision: header?.revision !== 0 } }),
    });
  }

  private range({ kind: _, ...op }: RangeOp) {
    return this.absolute(op);
  }

  private put({ kind: _, lease, ...op }: PutOp) {
    return { ...op, ...(lease === undefined ? {} : { lease: this.lease(lease) }) };
  }

  private txn({ compare, success, failure }: TxnOp): TxnRequestIn {
    return {
      compare: compare.map((one) => this.comparison(one)),
      success: success.map((op) => this.op(op)),
      failure: failure.map((op) => this.op(op)),
    };
  }

  private comparison({ lease, ...one }: Comparison) {
    return { ...this.absolute(one), ...(lease === undefined ? {} : { lease: lease === 0 ? leaseId(0) : this.lease(lease) }) };
  }

  private op(op: KvOp): RequestOpIn {
    switch (op.kind) {
      case 'range':
        return { requestRange: this.range(op) };
      case 'put':
        return { requestPut: this.put(op) };
      case 'delete':
        return { requestDeleteRange: deletion(op) };
      case 'txn':
        return { requestTxn: this.txn(op) };
    }
  }

  /** Makes the revisions of a request absolute. */
  private absolute<T extends object>(op: T): T {
    const entries = Object.entries(op).map(([name, value]: [string, unknown]): [string, unknown] =>
      /revision$/i.test(name) && typeof value === 'number' && value !== 0 ? [name, value + this.base] : [name, value],
    );
    return Object.fromEntries(entries) as T;
  }

  private lease(number: number): LeaseId {
    return leaseId(this.leases + number);
  }

  /** Writes a response as text, with its revisions counted from the beginning. */
  private text(value: unknown): string {
    return JSON.stringify(this.plain(value));
  }

  private plain(value: unknown, name = ''): unknown {
    if (typeof value === 'number')
      return /revision$/i.test(name) && value !== 0 ? `r${value - this.base}` : name === 'ttl' ? Math.ceil(value / 10) : value;
    if (value instanceof Uint8Array) return hex(value);
    if (value instanceof KeyValue) {
      const { keyBytes, valueBytes, createRevision, modRevision, version, lease } = value;
      return this.plain({ key: keyBytes, value: valueBytes, createRevision, modRevision, version, lease });
    }
    if (Array.isArray(value)) {
      const items = value.map((item: unknown) => this.plain(item));
      // etcd lists the keys of a lease in no order.
      return name === 'keys' ? items.sort() : items;
    }
    if (typeof value !== 'object' || value === null) return value;
    if (name === 'header') return this.plain((value as { readonly revision: number }).revision, 'revision');
    const fields = Object.entries(value).map(([field, of]: [string, unknown]): [string, unknown] => [field, this.plain(of, field)]);
    return Object.fromEntries(fields.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

const deletion = ({ kind: _, ...op }: DeleteOp) => op;

const hex = (bytes: Uint8Array): string =>
  String.fromCharCode(...toBytes(bytes)).replace(/[^ -~]/g, (char) => `\\x${char.charCodeAt(0).toString(16)}`);
