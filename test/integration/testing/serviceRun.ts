import { isDeepStrictEqual } from 'node:util';
import { clusterRpcs } from '../../../src/codec/cluster.js';
import { electionRpcs, lockRpcs } from '../../../src/codec/concurrency.js';
import type { ResponseOf, Rpc } from '../../../src/codec/descriptors.js';
import { kvRpcs } from '../../../src/codec/kv.js';
import { leaseRpcs } from '../../../src/codec/lease.js';
import { maintenanceRpcs } from '../../../src/codec/maintenance.js';
import { hasReason } from '../../../src/errors/index.js';
import { idToHex, leaseId, memberId, type LeaseId, type MemberId } from '../../../src/model/ids.js';
import type { MemberOf, ServiceStep } from './servicePrograms.js';
import type { OpenedCall, Side } from './sides.js';
import { Notes, type Trace } from './trace.js';

const TTL = 100_000;
const UNKNOWN = memberId('4711');
const EVERYTHING = { key: '\0', rangeEnd: '\0' };

/** The state of a side after a step: its revision, and the number of lines that each open call has written. */
interface Settled {
  readonly revision: number;
  readonly lines: readonly number[];
}

/** The responses of one side to a program, and its state after each step. */
export interface ServiceTrace {
  readonly lines: Trace;
  readonly settled: readonly Settled[];
}

/**
 * Runs a program of locks, elections, alarms and members on a side that no other program uses.
 *
 * @param expected the trace of a side that ran it before. Calls that wait take their time on a real server, so that each step is over when the state
 * is the same. If it is not within `patienceMs`, the traces differ.
 */
export async function runServices(
  side: Side,
  steps: readonly ServiceStep[],
  leases: number,
  expected?: { readonly trace: ServiceTrace; readonly patienceMs: number },
): Promise<ServiceTrace> {
  const runner = await ServiceRunner.start(side, leases);
  const settled: Settled[] = [];
  try {
    for (const [index, step] of steps.entries()) {
      await runner.step(step);
      const state = await runner.settle(expected?.trace.settled[index], expected?.patienceMs);
      settled.push(state);
      // After a difference nothing is waited for.
      if (expected !== undefined && !runner.isAs(expected.trace, state, index)) break;
    }
    return { lines: runner.trace(), settled };
  } finally {
    await runner.clear();
  }
}

/** The learner of a program, in the form of traces. */
const LEARNER = 'the learner';

class ServiceRunner {
  private readonly calls: { readonly name: string; readonly opened: OpenedCall; readonly lines: string[] }[] = [];
  private readonly leaders = new Map<string, ResponseOf<typeof electionRpcs.campaign>['leader']>();
  private learner: MemberId | undefined;
  private urlCount = 0;

  private constructor(
    private readonly side: Side,
    private readonly notes: Notes,
    private readonly hidden: Map<string, string>,
    private readonly own: MemberId,
    private readonly ownUrl: string,
    private readonly leases: number,
  ) {}

  static async start(side: Side, leases: number): Promise<ServiceRunner> {
    await side.call(kvRpcs.deleteRange, EVERYTHING);
    const { header } = await side.call(kvRpcs.put, { key: 'zz', value: '' });
    const { members } = await side.call(clusterRpcs.memberList, {});
    const hidden = new Map<string, string>([[header.memberId, 'this member']]);
    for (const { name, peerUrls, clientUrls } of members) {
      hidden.set(name, 'its name');
      for (const url of [...peerUrls, ...clientUrls]) hidden.set(url, 'its URL');
    }
    for (const lease of [1, 2, 3]) hidden.set(String(leases + lease), `lease ${lease}`);
    return new ServiceRunner(side, new Notes(header.revision - 1, hidden), hidden, header.memberId, members[0]?.peerUrls[0] ?? '', leases);
  }

  async step(step: ServiceStep): Promise<void> {
    switch (step.kind) {
      case 'grant':
        return this.note(leaseRpcs.grant, { id: this.lease(step.lease), ttl: TTL });
      case 'revoke':
        return this.note(leaseRpcs.revoke, { id: this.lease(step.lease) });
      case 'timeToLive':
        return this.note(leaseRpcs.timeToLive, { id: this.lease(step.lease), keys: true });
      case 'put':
        return this.note(kvRpcs.put, { key: step.key, value: step.value, lease: step.lease === 0 ? leaseId(0) : this.lease(step.lease) });
      case 'delete':
        return this.note(kvRpcs.deleteRange, { key: step.key, prevKv: true });
      case 'range':
        return this.note(kvRpcs.range, EVERYTHING);
      case 'lock':
        return this.open(lockRpcs.lock, { name: step.name, lease: this.lease(step.lease) });
      case 'unlock':
        return this.note(lockRpcs.unlock, { key: this.place(step) });
      case 'campaign':
        return this.open(electionRpcs.campaign, { name: step.name, lease: this.lease(step.lease), value: step.value }, ({ leader }) =>
          this.leaders.set(this.place(step), leader),
        );
      case 'proclaim':
        return this.note(electionRpcs.proclaim, { leader: this.leaderOf(step), value: step.value });
      case 'resign':
        return this.note(electionRpcs.resign, { leader: this.leaderOf(step) });
      case 'leader':
        return this.note(electionRpcs.leader, { name: step.name });
      case 'observe':
        return this.open(electionRpcs.observe, { name: step.name });
      case 'cancel':
        return this.calls[step.call]?.opened.cancel();
      case 'alarm': {
        const { action, alarm } = step;
        return this.note(maintenanceRpcs.alarm, { action, alarm, memberId: this.member(step.of) });
      }
      case 'learner':
        return this.addLearner(this.urls(step.urls));
      case 'remove':
        return this.noteMembers(clusterRpcs.memberRemove, { id: this.member(step.of) });
      case 'promote':
        return this.noteMembers(clusterRpcs.memberPromote, { id: this.member(step.of) });
      case 'update':
        return this.noteMembers(clusterRpcs.memberUpdate, { id: this.member(step.of), peerUrls: this.urls(step.urls) });
      case 'members':
        return this.noteMembers(clusterRpcs.memberList, {});
      case 'status': {
        const { version, leader, errors, isLearner, storageVersion } = await this.side.call(maintenanceRpcs.status, {});
        this.notes.lines.push(
          `status: ${this.notes.text({ version, leader, errors: errors.map((error) => error.replace(this.own, 'this member')).sort(), isLearner, storageVersion })}`,
        );
      }
    }
  }

  /** Waits until the side is in a state, or until a timeout, and returns its state. */
  async settle(expected: Settled | undefined, patienceMs = 0): Promise<Settled> {
    const end = performance.now() + patienceMs;
    for (let isLate = false; ; isLate = performance.now() > end) {
      const { header } = await this.side.call(leaseRpcs.leases, {});
      const state = { revision: header.revision - this.notes.base, lines: this.calls.map(({ lines }) => lines.length) };
      if (expected === undefined || isLate) return state;
      if (state.revision >= expected.revision && state.lines.every((count, index) => count >= (expected.lines[index] ?? 0))) return state;
    }
  }

  /** Returns whether there is no difference up to a step. */
  isAs(expected: ServiceTrace, state: Settled, index: number): boolean {
    return isDeepStrictEqual(state, expected.settled[index]) && this.notes.lines.every((line, at) => line === expected.lines[at]);
  }

  trace(): Trace {
    return [...this.notes.lines, ...this.calls.map(({ name, lines }, index) => `call ${index}, ${name}: ${lines.join('; ')}`)];
  }

  async clear(): Promise<void> {
    for (const { opened } of this.calls) opened.cancel();
    const { alarms } = await this.side.call(maintenanceRpcs.alarm, { action: 'GET' });
    for (const alarm of alarms) await this.side.call(maintenanceRpcs.alarm, { ...alarm, action: 'DEACTIVATE' });
    if (this.learner !== undefined) await this.side.call(clusterRpcs.memberRemove, { id: this.learner }).catch(() => undefined);
    await Promise.all([1, 2, 3].map((lease) => this.side.call(leaseRpcs.revoke, { id: this.lease(lease) }).catch(() => undefined)));
    // A call that is canceled deletes its key, if it has one, after the response to the client.
    for (let isEmpty = false; !isEmpty;)
      isEmpty = (await this.side.call(kvRpcs.range, { key: '\0', rangeEnd: 'zz', countOnly: true })).count === 0 || (await this.empty());
  }

  private async empty(): Promise<false> {
    await this.side.call(kvRpcs.deleteRange, EVERYTHING);
    return false;
  }

  private async note<In, A>(rpc: Rpc<In, A>, request: In): Promise<void> {
    this.notes.lines.push(`${rpc.name}: ${await this.notes.outcome(this.side.call(rpc, request))}`);
  }

  /** Writes members in an order that does not depend on their ids. */
  private async noteMembers<In, A extends { readonly members: readonly { readonly peerUrls: readonly string[] }[] }>(
    rpc: Rpc<In, A>,
    request: In,
  ): Promise<void> {
    const answer = this.side.call(rpc, request).then((given) => ({ ...given, members: [...given.members].sort(byUrl) }));
    this.notes.lines.push(`${rpc.name}: ${await this.notes.outcome(answer)}`);
  }

  private async addLearner(peerUrls: readonly string[]): Promise<void> {
    const added = this.side.call(clusterRpcs.memberAdd, { peerUrls, isLearner: true });
    const learner = await added.then(
      ({ member }) => member.id,
      () => undefined,
    );
    if (learner !== undefined) {
      this.learner = learner;
      this.hidden.set(learner, LEARNER);
    }
    const members = added.then((given) => ({ ...given, members: [...given.members].sort(byUrl) }));
    this.notes.lines.push(`${clusterRpcs.memberAdd.name}: ${await this.notes.outcome(members)}`);
  }

  private open<In, A>(rpc: Rpc<In, A>, request: In, onAnswer: (answer: A) => void = () => undefined): void {
    const lines: string[] = [];
    const opened = this.side.open(rpc, request, {
      next: (answer) => {
        onAnswer(answer);
        lines.push(this.notes.text(answer));
      },
      error: (error) => {
        if (!hasReason(error, 'ConnectionLost')) lines.push(this.notes.failure(error));
      },
    });
    this.calls.push({ name: rpc.name, opened, lines });
  }

  private member(of: MemberOf): MemberId {
    if (of === 'own') return this.own;
    if (of === 'none') return memberId('0');
    return of === 'learner' ? (this.learner ?? UNKNOWN) : UNKNOWN;
  }

  /**
   * The id of a member is a hash of its URLs and the time in seconds, and the id of a removed member cannot be used
   * again.
   */
  private urls(urls: readonly string[]): readonly string[] {
    return urls.map((url) => {
      if (url === 'known') return this.ownUrl;
      if (url !== 'new') return url;
      const made = `http://member-${this.leases}-${++this.urlCount}.invalid:2380`;
      this.hidden.set(made, `new URL ${this.urlCount}`);
      return made;
    });
  }

  private lease(number: number): LeaseId {
    return leaseId(this.leases + number);
  }

  private place({ name, lease }: { readonly name: string; readonly lease: number }): string {
    return `${name}/${idToHex(this.lease(lease))}`;
  }

  private leaderOf(step: { readonly name: string; readonly lease: number }) {
    const key = this.place(step);
    return this.leaders.get(key) ?? { name: step.name, key, rev: this.notes.base + 3, lease: this.lease(step.lease) };
  }
}

const byUrl = (a: { readonly peerUrls: readonly string[] }, b: { readonly peerUrls: readonly string[] }): number =>
  String(a.peerUrls) < String(b.peerUrls) ? -1 : 1;
