import { deepEqual } from 'node:assert/strict';
import fc from 'fast-check';
import type { EtcdServer } from '../../support/etcd/index.js';
import { storeVersion } from '../../../src/testing/store/traits.js';
import { authProgram, program, type Step } from './programs.js';
import { run, runWithAuth } from './run.js';
import { serviceProgram, type ServiceStep } from './servicePrograms.js';
import { runServices } from './serviceRun.js';
import { memorySide, realSide, type Side } from './sides.js';

/** Compares a real server with the etcd in memory, program by program. */
export class Comparison {
  private readonly real: Side;
  /** Programs do not share lease ids. */
  private leases = 0;

  /** The steps that stop the server: etcd 3.3 adds a member with a vote in place of a learner. */
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
    deepEqual(await runServices(this.real, possible, leases, expected), expected);
  };

  /** Compares random programs of a kind. @throws Error with the shortest program that has a difference */
  async random(kind: Kind, options: { readonly numRuns: number; readonly seed?: number }): Promise<void> {
    await fc.assert(this.property(kind), options);
  }

  close(): Promise<void> {
    return this.real.close();
  }

  private property(kind: Kind): fc.IAsyncProperty<unknown> {
    switch (kind) {
      case 'kv':
        return fc.asyncProperty(program, this.kv);
      case 'auth':
        return fc.asyncProperty(authProgram, this.auth);
      case 'services':
        return fc.asyncProperty(serviceProgram, this.services);
    }
  }

  private begin(): readonly [memory: Side, leases: number] {
    this.leases += 10;
    return [memorySide(this.server.version), this.leases];
  }
}

export const KINDS = ['kv', 'auth', 'services'] as const;
export type Kind = (typeof KINDS)[number];
