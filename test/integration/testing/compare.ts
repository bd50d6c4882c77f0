import { deepEqual } from 'node:assert/strict';
import fc from 'fast-check';
import type { EtcdServer } from '../../support/etcd/index.js';
import { storeVersion } from '../../../src/testing/store/traits.js';
import { authProgram, program, type Step } from './programs.js';
import { run, runWithAuth } from './run.js';
import { serviceProgram, type ServiceStep } from './servicePrograms.js';
import { runServices } from './serviceRun.js';
import { memorySide, realSide, type Side } from './sides.js';

/** How long a waiting call may take to reach the expected state, also on a busy machine. */
const PATIENCE_MS = 30_000;
/** The same for the shorter programs that are derived from one with a difference. */
const SHORT_PATIENCE_MS = 3_000;
/** For how long a program with a difference is shortened. */
const SHRINKING_MS = 30_000;

/** Compares a real server with the etcd in memory, program by program. */
export class Comparison {
  private readonly real: Side;
  /** Programs do not share lease ids. */
  private leases = 0;
  /** The time at which the first difference was found among random programs. */
  private foundAt = Infinity;

  /** The steps after which the server stops: etcd 3.3 adds a voting member in place of a learner. */
  private readonly impossible: ReadonlySet<ServiceStep['kind']>;

  constructor(private readonly server: Pick<EtcdServer, 'endpoint' | 'version'>) {
    this.real = realSide(server);
    const { has } = storeVersion(server.version);
    this.impossible = new Set(has('3.4') ? [] : ['learner', 'promote', 'update']);
  }

  /** @throws AssertionError with the difference */
  readonly kv = async (steps: readonly Step[]): Promise<void> => {
    const [memory, leases] = this.begin();
    const expected = await run(memory, steps, leases);
    deepEqual(await run(this.real, steps, leases), expected);
  };

  /** @throws AssertionError with the difference */
  readonly auth = async (steps: readonly Step[]): Promise<void> => {
    const [memory, leases] = this.begin();
    const expected = await runWithAuth(memory, steps, leases);
    deepEqual(await runWithAuth(this.real, steps, leases), expected);
  };

  /** @throws AssertionError with the difference */
  readonly services = async (steps: readonly ServiceStep[]): Promise<void> => {
    const [memory, leases] = this.begin();
    const possible = steps.filter(({ kind }) => !this.impossible.has(kind));
    const expected = await runServices(memory, possible, leases);
    const patienceMs = this.foundAt === Infinity ? PATIENCE_MS : SHORT_PATIENCE_MS;
    deepEqual(await runServices(this.real, possible, leases, { trace: expected, patienceMs }), expected);
  };

  /**
   * Compares random programs of a kind.
   *
   * @throws Error with the shortest program that has a difference, as far as one is found in 30 s
   */
  async random(kind: Kind, options: { readonly numRuns: number; readonly seed?: number }): Promise<void> {
    this.foundAt = Infinity;
    await fc.assert(this.property(kind), options);
  }

  close(): Promise<void> {
    return this.real.close();
  }

  private property(kind: Kind): fc.IAsyncProperty<unknown> {
    switch (kind) {
      case 'kv':
        return fc.asyncProperty(program, this.forAWhile(this.kv));
      case 'auth':
        return fc.asyncProperty(authProgram, this.forAWhile(this.auth));
      case 'services':
        return fc.asyncProperty(serviceProgram, this.forAWhile(this.services));
    }
  }

  /** Ends the search for shorter programs after a while: from then on all programs count as equal. */
  private forAWhile<P>(compare: (steps: P) => Promise<void>): (steps: P) => Promise<void> {
    return async (steps) => {
      if (performance.now() > this.foundAt + SHRINKING_MS) return;
      try {
        await compare(steps);
      } catch (error) {
        this.foundAt = Math.min(this.foundAt, performance.now());
        throw error;
      }
    };
  }

  private begin(): readonly [memory: Side, leases: number] {
    this.leases += 10;
    return [memorySide(this.server.version), this.leases];
  }
}

export const KINDS = ['kv', 'auth', 'services'] as const;
export type Kind = (typeof KINDS)[number];
