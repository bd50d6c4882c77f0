import type { EtcdServer } from '../support/etcd/index.js';

/** Who is measured: rxetcd, another client, and the least that the work costs without any client. */
export type Who = 'ours' | 'peer' | 'floor';

/** What a row is to reach: at least where more is better, at most where less is. */
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

/** What a side gave in its turn, by the names of the rows; it may leave out what it has no notion of. */
export type Figures = Readonly<Record<string, number>>;

/** What a round gave of each side. */
export type Round = Readonly<Partial<Record<Who, Figures>>>;

/** A scenario that is ready to run. */
export interface Contest {
  /** One turn of each side. */
  readonly sides: Readonly<Partial<Record<Who, () => Promise<Figures>>>>;
  /** Closes what was opened for it. */
  end(): Promise<unknown>;
}

/** What scenarios run on. */
export interface Stage {
  readonly server: EtcdServer;
  /** Be short: less work a round, for an answer that is less sure. */
  readonly quick: boolean;
  /** Whose turns are taken. */
  readonly who: readonly Who[];
}

/** Something to measure. */
export interface Scenario {
  /** What `--only` calls it; the names of its rows will do as well. */
  readonly name: string;
  readonly rows: readonly Row[];
  /** Takes too long for a quick run, unless it is asked for by name. */
  readonly slow?: true;
  /** How many rounds count, and how many of each side run before them, so that the engine has compiled what is hot. */
  readonly rounds: { readonly full: number; readonly quick: number; readonly warmUp: number };
  prepare(stage: Stage): Promise<Contest>;
}
