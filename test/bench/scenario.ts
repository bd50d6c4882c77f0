import type { EtcdServer } from '../support/etcd/index.js';

/**
 * The sides of a measurement: rxetcd, another client, and the floor, which is the least that the work costs without any
 * client.
 */
export type Who = 'ours' | 'peer' | 'floor';

/** The goal of a row: a lower bound if more is better, an upper bound if less is. */
export interface Target {
  /** The figure itself. */
  readonly ours?: number;
  /** The ratio to another side. */
  readonly toPeer?: number;
  readonly toFloor?: number;
}

/** A line of the table. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly target?: Target;
}

/** The figures of a side's turn, by the names of the rows; figures that the side does not have are left out. */
export type Figures = Readonly<Record<string, number>>;

/** The figures of each side in a round. */
export type Round = Readonly<Partial<Record<Who, Figures>>>;

/** A scenario that is ready to run. */
export interface Contest {
  /** One turn of each side. */
  readonly sides: Readonly<Partial<Record<Who, () => Promise<Figures>>>>;
  /** Ends the scenario, and closes what it opened. */
  end(): Promise<unknown>;
}

/** The environment of scenarios. */
export interface Stage {
  readonly server: EtcdServer;
  /** Whether to be short: less work per round, for a less certain figure. */
  readonly quick: boolean;
  /** The sides to measure. */
  readonly who: readonly Who[];
}

/** Something to measure. */
export interface Scenario {
  /** The name for `--only`, which also takes the names of the rows. */
  readonly name: string;
  readonly rows: readonly Row[];
  /** Takes too long for a quick run, unless it is requested by name. */
  readonly slow?: true;
  /**
   * The number of rounds that count, and the number of rounds before them in which the engine compiles the hot code.
   */
  readonly rounds: { readonly full: number; readonly quick: number; readonly warmUp: number };
  prepare(stage: Stage): Promise<Contest>;
}
