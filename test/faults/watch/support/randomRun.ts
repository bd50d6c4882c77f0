import type { Client, Range, StreamOptions, WatchOptions } from '../../../../src/index.js';
import { History, Recorder, violations, type Violation } from '../../../support/promises.js';
import { viewOf } from '../../../support/promises/view.js';
import { askedSeed, randomFrom, type Random } from '../../../support/random.js';
import { forLongMessages } from './carriers.js';
import { drawFault, strike, type FaultKind, type Weights } from './faults.js';
import { setScene, type Scene, type SceneOptions } from './scene.js';
import { until } from './until.js';
import { Writers } from './writers.js';

export interface RunOptions extends SceneOptions {
  readonly carrier: NonNullable<StreamOptions['carrier']>;
  readonly faults: Weights;
  /** It goes on until so much was cut and delivered. */
  readonly cuts: number;
  readonly events: number;
  /** So many revisions the slowest watch may be behind before the writers wait for it: 1 000 if left out. */
  readonly lag?: number;
}

const WATCHES: readonly (readonly [name: string, range: Range, options?: WatchOptions])[] = [
  ['prefix a', { prefix: 'a/' }],
  ['prefix a with prevKv', { prefix: 'a/' }, { prevKv: true }],
  ['one key', 'a/0/0/1', { prevKv: true }],
  ['from and to', { from: 'a/1/', to: 'b/2/' }],
  ['deletes', { all: true }, { noPut: true, prevKv: true }],
  ['puts', { prefix: 'b/' }, { noDelete: true }],
  ['all from the first', { all: true }, { startRevision: 1 }],
];

/** Writers, watches and faults together; throws, with the seed, where a watch broke a promise. */
export async function randomRun(title: string, options: RunOptions): Promise<void> {
  const random = randomFrom(askedSeed());
  const begun = performance.now();
  const scene = await setScene(options);
  const name = `etcd ${scene.server.version}, ${title}`;
  print(`${name}: SEED=${random.seed}`);
  try {
    const figures = await run(scene, random, options);
    print(`${name}: ${figures}, ${((performance.now() - begun) / 1000).toFixed(1)} s, SEED=${random.seed}`);
  } catch (cause) {
    throw new Error(`${name}, SEED=${random.seed}: ${String(cause)}`, { cause });
  } finally {
    await scene.close();
  }
}

async function run(scene: Scene, random: Random, { carrier, faults, cuts, events, lag = 1_000 }: RunOptions): Promise<string> {
  const client = scene.client({ carrier: forLongMessages(carrier, scene.server) });
  let losses = 0;
  client.connection$.subscribe((state) => {
    losses += state.status === 'reconnecting' ? 1 : 0;
    if (process.env['DBG'])
      print(
        `${Math.round(performance.now())} ${state.status} ${state.status === 'reconnecting' ? state.cause.reason + ' ' + state.cause.message : ''}`,
      );
  });
  const watches = new Watches(client, random.fork('watches'));
  const slowest = (): number => Math.min(...watches.lasting.map(({ revision }) => revision));
  const writers = new Writers(scene.direct, random.fork('writers'), {
    count: 8,
    mayGo: (revision) => watches.failed || revision - slowest() < lag,
  });
  const schedule = random.fork('faults');
  const done = new Map<FaultKind, number>();
  const count = (kind: FaultKind): number => done.get(kind) ?? 0;
  try {
    const deadline = performance.now() + 100_000;
    while (count('cut') < cuts || watches.delivered < events) {
      if (performance.now() > deadline) throw new Error(`only ${count('cut')} cuts and ${watches.delivered} events in 100 s`);
      const fault = drawFault(schedule, faults);
      const settle = schedule.chance(0.1);
      if (schedule.chance(0.3)) watches.join(writers.revision);
      await strike(fault, scene, { losses: () => losses, ask: () => watches.join(writers.revision, true) });
      done.set(fault.kind, count(fault.kind) + 1);
      const due = writers.revision;
      if (settle) await until('the watches have come back', () => watches.failed || slowest() >= due - 50);
      if (watches.failed) break;
    }
  } finally {
    await writers.stop();
  }
  const history = new History(writers.written);
  await watches.finish(history);
  const faultsDone = [...done].map(([kind, times]) => `${times} × ${kind}`).join(', ');
  return `${faultsDone}; ${watches.delivered} events of ${history.revisions.length} revisions to ${watches.all.length} watches, ${losses} streams lost`;
}

/** Watches that stay, and others that come and go. */
class Watches {
  readonly lasting: readonly Recorder[];
  private readonly joined: Recorder[] = [];

  constructor(
    private readonly client: Client,
    private readonly random: Random,
  ) {
    this.lasting = WATCHES.map(([name, range, options = {}]) => new Recorder(name, range, options, client.watchBatches(range, options)));
  }

  get all(): readonly Recorder[] {
    return [...this.lasting, ...this.joined];
  }

  get delivered(): number {
    return this.all.reduce((sum, { events }) => sum + events, 0);
  }

  get failed(): boolean {
    return this.lasting.some(({ end }) => end !== undefined);
  }

  /** One more, from now on or from some time ago; one of before leaves. */
  join(now: number, replay = this.random.chance(0.7)): void {
    this.joined[this.joined.length - 1 - this.random.int(0, 4)]?.stop();
    this.joined[this.joined.length - 5]?.stop();
    const range: Range = { prefix: this.random.pick(['a/', 'b/', 'm/', 'a/1/']) };
    const options = replay ? { startRevision: Math.max(1, now - this.random.int(0, 300)) } : {};
    this.joined.push(new Recorder(`joined as number ${this.joined.length + 1}`, range, options, this.client.watchBatches(range, options)));
  }

  /** Waits for what is due, and judges. */
  async finish(history: History): Promise<void> {
    for (const watch of this.lasting) watch.through = history.last;
    const late = (): Recorder[] =>
      this.lasting.filter((watch) => watch.end === undefined && watch.revision < (viewOf(history, watch).due.at(-1) ?? 0));
    // What does not come is found below, and named.
    await until('all is delivered', () => late().length === 0).catch(() => undefined);
    const problems = [
      ...this.all.filter(({ end }) => end !== undefined).map(({ name, end }) => `'${name}' ended: ${JSON.stringify(end)}`),
      ...late().map(({ name, revision }) => `'${name}' got no further than ${revision} of ${history.last}`),
      ...this.all.flatMap((watch) => summary(violations(history, watch))),
    ];
    if (process.env['DBG'] && problems.length)
      for (const w of this.all)
        if (violations(history, w).length)
          print(
            w.name +
              ' ' +
              JSON.stringify(w.options) +
              ' ' +
              w.batches
                .map((b) => `${b.type[0]}${b.revision}`)
                .join(' ')
                .slice(0, 20000),
          );
    if (problems.length > 0) throw new Error(`${problems.length} problems:\n${problems.slice(0, 20).join('\n')}`);
  }
}

/** A line for each promise that was broken: how often, and the first. */
function summary(broken: readonly Violation[]): string[] {
  const byPromise = new Map<string, Violation[]>();
  for (const violation of broken) byPromise.set(violation.promise, [...(byPromise.get(violation.promise) ?? []), violation]);
  return [...byPromise].map(
    ([promise, all]) => `'${all[0]?.watcher}' is not ${promise}, ${all.length} times: first at ${all[0]?.revision}, ${all[0]?.what}`,
  );
}

/** A line for whoever reads the run. */
function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
