import type { EtcdServer } from '../../support/etcd/index.js';
import type { Figures, Who } from '../scenario.js';

/** The goal of a row. All goals of a row have to hold. */
export interface Goals {
  /** The highest allowed exponent of ours over the sizes: 1 is linear, 2 quadratic. */
  readonly exponent?: number;
  /** The highest allowed ratio to another subject, at the largest size. */
  readonly toPeer?: number;
  readonly toFloor?: number;
  /** The highest allowed figure of ours, at each size. */
  readonly atMost?: number;
  /** The lowest allowed figure of ours, at each size. */
  readonly atLeast?: number;
}

/** One figure of a scenario: a line of the table. */
export interface ScaleRow {
  /** The name of the figure, as the subjects return it. */
  readonly figure: string;
  /** `ms`, `bytes`, `messages` … */
  readonly unit: string;
  readonly goals?: Goals;
  /**
   * Whether the figure is the same in each run, also on a busy machine: the short form then checks its `atMost` and
   * `atLeast`, too.
   */
  readonly count?: true;
}

/** The server and the size of one measurement. */
export interface ScaleStage {
  readonly endpoint: string;
  /** The process of the server; undefined if it runs in a container. */
  readonly serverPid: number | undefined;
  readonly size: number;
  /** The prefix of the keys of this size: `scale/1000/`. The subjects of one size share it. */
  readonly prefix: string;
}

/** Something to measure at several sizes. */
export interface ScaleScenario {
  /** The name for `--only`. */
  readonly name: string;
  /** A noun for the sizes: `keys`, `watches`. */
  readonly of: string;
  /** Three sizes for an exponent, in ascending order; one size if the figure does not depend on it. */
  readonly sizes: { readonly full: readonly number[]; readonly short: readonly number[] };
  /**
   * The number of measurements of each subject and size, of which the median counts. Default: 3, and 1 in the short
   * form.
   */
  readonly rounds?: { readonly full: number; readonly short: number };
  readonly rows: readonly ScaleRow[];
  /** Flags of the scenario's server. */
  readonly serverArgs?: readonly string[];
  /** Fills the store. Runs once per size, before the subjects. */
  prepare?(stage: ScaleStage): Promise<unknown>;
  /** The measured sides. Each measurement runs in a separate process. A figure may be left out. */
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
