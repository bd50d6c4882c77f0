import type { EtcdServer } from '../../support/etcd/index.js';
import type { Figures, Who } from '../scenario.js';

/** What a row is to reach. All goals of a row have to hold. */
export interface Goals {
  /** At most this exponent of ours over the sizes: 1 is linear, 2 quadratic. */
  readonly exponent?: number;
  /** At most this ratio to another subject, at the largest size. */
  readonly toPeer?: number;
  readonly toFloor?: number;
  /** At most this figure of ours, at each size. */
  readonly atMost?: number;
  /** At least this figure of ours, at each size. */
  readonly atLeast?: number;
}

/** One figure of a scenario: a line of the table. */
export interface ScaleRow {
  /** The name of the figure, as the subjects return it. */
  readonly figure: string;
  /** `ms`, `bytes`, `messages` … */
  readonly unit: string;
  readonly goals?: Goals;
  /** The same at each run, on a busy machine as well: the short form checks its `atMost` and `atLeast` too. */
  readonly count?: true;
}

/** The server and the size of one measurement. */
export interface ScaleStage {
  readonly endpoint: string;
  /** The process of the server; undefined where it is in a container. */
  readonly serverPid: number | undefined;
  readonly size: number;
  /** Keys of this size: `scale/1000/`. The subjects of one size share it. */
  readonly prefix: string;
}

/** Something to measure at several sizes. */
export interface ScaleScenario {
  /** `--only` takes it. */
  readonly name: string;
  /** A noun for the sizes: `keys`, `watches`. */
  readonly of: string;
  /** Three sizes for an exponent, ascending; one where sizes make no sense. */
  readonly sizes: { readonly full: readonly number[]; readonly short: readonly number[] };
  /** Measurements of each subject and size, of which the median counts. Default: 3, and 1 in the short form. */
  readonly rounds?: { readonly full: number; readonly short: number };
  readonly rows: readonly ScaleRow[];
  /** Flags of the scenario's own server. */
  readonly serverArgs?: readonly string[];
  /** Runs once a size, before the subjects: fills the store. */
  prepare?(stage: ScaleStage): Promise<unknown>;
  /** Each measurement runs in a process of its own. A figure may be left out. */
  readonly subjects: { readonly ours: Subject } & Readonly<Partial<Record<Who, Subject>>>;
}

export type Subject = (stage: ScaleStage) => Promise<Figures>;

/** The result of one process. */
export interface Sample {
  readonly who: Who;
  readonly size: number;
  readonly round: number;
  readonly figures: Figures;
}

export const stageOf = ({ endpoint, pid }: Pick<EtcdServer, 'endpoint' | 'pid'>, size: number): ScaleStage => ({
  endpoint,
  serverPid: pid,
  size,
  prefix: `scale/${size}/`,
});
