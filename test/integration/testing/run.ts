import { authRpcs } from '../../../src/codec/auth.js';
import { kvRpcs, type RequestOpIn, type TxnRequestIn } from '../../../src/codec/kv.js';
import { leaseRpcs } from '../../../src/codec/lease.js';
import type { Rpc } from '../../../src/codec/descriptors.js';
import { watchRpcs } from '../../../src/codec/watch.js';
import { leaseId, type LeaseId } from '../../../src/model/ids.js';
import type { Comparison, KvOp, PutOp, RangeOp, DeleteOp, Step, TxnOp, User, WatchOp } from './programs.js';
import type { Side, WatchIn, WatchOut, WatchSide } from './sides.js';
import { Notes, type Trace } from './trace.js';

/** A key that no program changes. */
const CLEARED = 'zz';
const TTL = 100_000;
const ROOT = { name: 'root', password: 'pw' };

/** Runs a program on a side that no other program uses. Revisions in the trace count from the beginning of the program. */
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
  /** The last revision to wait for. Whether an event of a later one arrives in time is not defined. */
  settled: number;
}

class Runner {
  private readonly notes: Notes;
  private readonly granted = new Set<LeaseId>();
  private readonly watched: Watched[] = [];
  private stream: WatchSide | undefined;
  /** The last revision that was compacted. */
  private compacted = 0;
  private withAuth = false;

  private constructor(
    private readonly side: Side,
    base: number,
    private readonly leases: number,
  ) {
    this.notes = new Notes(base);
  }

  static async start(side: Side, leases: number): Promise<Runner> {
    await side.call(kvRpcs.deleteRange, { key: '\0', rangeEnd: '\0' });
    const { header } = await side.call(kvRpcs.put, { key: CLEARED, value: '' });
    return new Runner(side, header.revision - 1, leases);
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
        this.granted.add(this.lease(step.lease));
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
    return this.notes.lines;
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
    for (const watched of this.watched) this.notes.lines.push(`watch ${watched.index}: ${this.events(watched)}`);
    return this.notes.lines;
  }

  async clear(): Promise<void> {
    this.stream?.close();
    await Promise.all([...this.granted].map((id) => this.side.call(leaseRpcs.revoke, { id }).catch(() => undefined)));
  }

  private async note<In, A>(
    rpc: Rpc<In, A>,
    request: In,
    call: (rpc: Rpc<In, A>, request: In) => Promise<A> = (one, given) => this.side.call(one, given),
  ): Promise<void> {
    this.notes.lines.push(`${rpc.name}: ${await this.notes.outcome(call(rpc, request))}`);
  }

  private async become(user: User, password: string): Promise<void> {
    if (user === 'nobody') this.side.token = undefined;
    else if (user === 'bad') this.side.token = 'bad.1';
    else {
      const before = this.side.token;
      // A client needs no token to authenticate, either.
      this.side.token = undefined;
      const answer = this.side.call(authRpcs.authenticate, { name: user, password });
      this.notes.lines.push(`authenticate: ${await this.notes.outcome(answer.then(({ header }) => ({ header })))}`);
      this.side.token = await answer.then(
        ({ token }) => token,
        () => before,
      );
    }
  }

  /** The compaction is complete when it responds; otherwise a watch could still see events that it removes. */
  private async compact(revision: number): Promise<void> {
    await this.note(kvRpcs.compact, { revision: this.notes.base + revision, physical: true });
    if (this.notes.lines.at(-1)?.startsWith('KV.Compact: {') === true) this.compacted = revision;
  }

  /** Creates a watch on a separate stream. Not every server can check a token on a WebSocket. */
  private firstOfWatch({ kind: _, ...op }: WatchOp): Promise<void> {
    return this.note(watchRpcs.watch, { createRequest: this.absolute(op) }, (rpc, request) => this.side.first(rpc, request));
  }

  private async watch(op: WatchOp): Promise<void> {
    this.stream ??= await this.side.watch();
    const { stream } = this;
    const { kind: _, startRevision, ...request } = op;
    const before = stream.responses.filter(({ created }) => created).length;
    const start = startRevision === undefined ? {} : { startRevision: this.notes.base + startRevision };
    stream.send({ createRequest: { ...request, ...start } } satisfies WatchIn);
    await stream.until('created', (responses) => responses.filter(({ created }) => created).length > before);
    const created = stream.responses.filter((response) => response.created)[before];
    if (created === undefined) throw new Error('no response was found');
    this.notes.lines.push(`watch: ${this.notes.text({ ...created, header: created.header.revision === 0 ? 0 : 'revision' })}`);
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
    const first = this.notes.base + Math.max(...open.map(({ op: { startRevision = 0 } }) => startRevision));
    const put = (): Promise<number> => this.side.call(kvRpcs.put, { key: CLEARED, value: '' }).then(({ header }) => header.revision);
    // All have the same effect, in any order.
    await Promise.all(Array.from({ length: Math.max(0, first - (await put())) }, put));
    const keys = [...new Map(open.map(({ op: { key } }) => [String(key), key])).values()];
    const changed = await this.revisionOf(keys.map((key) => ({ requestPut: { key, value: 'settled' } })));
    const removed = await this.revisionOf(keys.map((key) => ({ requestDeleteRange: { key } })));
    for (const watched of open) {
      const { filters = [] } = watched.op;
      const last = !filters.includes('NODELETE') ? removed : !filters.includes('NOPUT') ? changed : undefined;
      if (last === undefined) continue;
      watched.settled = last;
      await this.stream?.until(
        `revision ${last} of watch ${watched.id}`,
        () => this.isCanceled(watched) || this.responsesOf(watched).some(({ events }) => events.some(({ revision }) => revision >= last)),
      );
    }
  }

  /** Carries out operations at one revision, and returns it. */
  private async revisionOf(success: readonly RequestOpIn[]): Promise<number> {
    return (await this.side.call(kvRpcs.txn, { success })).header.revision;
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
    return this.notes.text({
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
      /revision$/i.test(name) && typeof value === 'number' && value !== 0 ? [name, value + this.notes.base] : [name, value],
    );
    return Object.fromEntries(entries) as T;
  }

  private lease(number: number): LeaseId {
    return leaseId(this.leases + number);
  }
}

const deletion = ({ kind: _, ...op }: DeleteOp) => op;
