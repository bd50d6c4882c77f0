import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createClient, type Client, type Namespace } from 'rxetcd';
import { firstValueFrom } from 'rxjs';
import { startCuttingProxy, type CuttingProxy } from '../support/faultProxies/cuttingProxy.js';
import { blocksOf, isAsExpected, PROMPT, scratchFolder, transcriptOf, writeBlock, type Block } from '../support/docs/blocks.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { projectRoot } from '../support/etcd/project.js';
import { cleanEnv } from '../support/etcd/run.js';
import type { News, Order } from './faultStage.js';
import { ENDING, livingLease, PIPELINES, type Pipeline } from './pipelines.js';
import { PATIENT } from '../support/patient.js';
import { revokeAll } from '../support/revokeAll.js';
import { waitFor } from '../support/waitFor.js';

const PAGES = ['README.md', 'docs/api.md', 'docs/recipes.md', 'docs/operators.md'];
const blocks = PAGES.flatMap(blocksOf).filter(({ code }) => transcriptOf(code) !== undefined);
const blockOf = (marks: RegExp): Block => {
  const found = blocks.filter(({ code }) => marks.test(code));
  if (found.length === 0) throw new Error(`no block has ${String(marks)}`);
  return found[0] as Block;
};

/** A block that runs on the stage, and the proxy that its client uses. */
interface Actor {
  readonly name: string;
  readonly block: Block;
  readonly store: Namespace;
  readonly proxy: CuttingProxy;
  readonly prefix: string;
  readonly lines: string[];
  /** Its uncaught errors. */
  readonly failures: string[];
}

interface Running extends Actor {
  readonly pipeline: Pipeline;
}

const AWAY_MS = 12_000;
/** The timeout of a test, which waits for several things for up to a minute each. */
const TIMEOUT_MS = 300_000;

class Stage {
  readonly actors = new Map<string, Actor>();
  private readonly folder = scratchFolder();
  private child: ChildProcess | undefined;
  private stderr = '';
  private count = 0;
  exit: Promise<number | null> = Promise.resolve(null);

  constructor(
    private readonly server: EtcdServer,
    private readonly direct: Client,
  ) {}

  async open(): Promise<void> {
    const child = spawn(process.execPath, ['--import', 'tsx', 'test/docs/faultStage.ts'], {
      cwd: projectRoot(),
      env: cleanEnv(),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.child = child;
    child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.exit = new Promise((resolve) => child.once('exit', resolve));
    let ready = false;
    child.on('message', (news: News) => {
      if (news.type === 'ready') ready = true;
      else if (news.type === 'shown') this.actors.get(news.place)?.lines.push(news.line);
      else {
        const actor = this.actors.get(news.place);
        if (actor === undefined) this.stderr += `${news.place}: ${news.reason}\n`;
        else actor.failures.push(news.reason);
      }
    });
    await waitFor('the stage is open', () => ready);
  }

  /** Output that belongs to no block. */
  get complaints(): string {
    return this.stderr;
  }

  async perform(name: string, block: Block, prefix: string, prepare: (proxy: CuttingProxy) => Promise<void> | void): Promise<Actor> {
    const place = `${block.place}_${(this.count += 1)}`;
    const proxy = await startCuttingProxy(this.server.endpoint);
    await prepare(proxy);
    const file = join(this.folder, writeBlock(this.folder, { place, code: block.code }));
    // The stage closes the client of a block that does not close it.
    const written = readFileSync(file, 'utf8').replace('http://127.0.0.1:2379', proxy.endpoint);
    const code = /etcd\.close\(/.test(written) ? written : written.replace(/^const etcd = createClient\(.*$/m, '');
    const ownClient = /^const etcd = createClient\(/m.test(code);
    const around = `const { ${ownClient ? '' : 'etcd, '}console } = globalThis.around(${JSON.stringify(place)});`;
    writeFileSync(file, `${around} ${code.replace(/declare const etcd: [^;]*;/, '')}`);
    const actor: Actor = { name, block, store: this.direct.namespace(prefix), proxy, prefix, lines: [], failures: [] };
    this.actors.set(place, actor);
    this.send({ type: 'perform', place, file, endpoint: proxy.endpoint, prefix });
    return actor;
  }

  send(order: Order): void {
    this.child?.send(order);
  }

  async end(): Promise<void> {
    if (this.child?.exitCode === null) this.child.kill('SIGKILL');
    await this.exit;
    await Promise.all([...this.actors.values()].map(({ proxy }) => proxy.close()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

let server: EtcdServer;
let direct: Client;
let stage: Stage;
const running: Running[] = [];
const ending: { readonly fault: string; readonly actor: Actor }[] = [];
const others = (proxies: readonly Actor[]): Promise<unknown> => Promise.all(proxies.map(({ proxy }) => proxy.accept()));

beforeAll(async () => {
  server = await startEtcd({ own: true });
  direct = createClient({ ...PATIENT, endpoints: server.endpoint });
  stage = new Stage(server, direct);
  await stage.open();
});
afterAll(async () => {
  await stage.end();
  await direct.close();
  await server.stop();
});

let round = 0;
/** The last checked state of each block. */
const leases = new Map<string, string>();

/** Checks that the block shows new changes, and holds its key, under another lease if the first was lost. */
async function isAlive(actors: readonly Running[], losesLease = true): Promise<void> {
  const [{ pipeline, store, prefix }] = actors as readonly [Running, ...Running[]];
  const lines = (): readonly string[] => actors.flatMap((actor) => actor.lines);
  const unlessFailed = (): void => {
    const failures = failuresOf(actors);
    if (failures.length > 0) throw new Error(failures.join(', '));
  };
  const { poke, held } = pipeline;
  if (held !== undefined) {
    const before = leases.get(prefix);
    await waitFor(`${pipeline.name} holds its key by another lease`, async () => {
      unlessFailed();
      const lease = await livingLease(store, await held(store));
      if (lease === undefined || (losesLease && lease === before)) return false;
      leases.set(prefix, lease);
      return true;
    });
    // Checks that its work runs as well.
    if (poke === undefined) await waitFor(`${pipeline.name} works`, () => lines().length > 0);
  }
  if (poke !== undefined)
    await waitFor(`${pipeline.name} shows a change`, async () => {
      unlessFailed();
      const sign = await poke(store, (round += 1));
      for (let waits = 0; waits < 20; waits++) {
        if (lines().some((line) => (typeof sign === 'string' ? line === sign : sign.test(line)))) return true;
        await delay(50);
      }
      return false;
    });
}

/** Runs several replicas of one pipeline. */
const groups = (): readonly (readonly Running[])[] =>
  PIPELINES.map((pipeline) => running.filter((actor) => actor.pipeline === pipeline)).filter(({ length }) => length > 0);
const failuresOf = (actors: readonly Actor[]): readonly string[] =>
  actors.flatMap(({ name, failures }) => failures.map((reason) => `${name}: ${reason}`));

test('every block with a documented output is tested under faults', () => {
  const all = [...PIPELINES.map(({ marks }) => marks), ...ENDING];
  expect(blocks.filter(({ code }) => !all.some((marks) => marks.test(code))).map(({ place }) => place)).toEqual([]);
  expect(PIPELINES.map(({ marks }) => blocks.filter(({ code }) => marks.test(code)).length)).toEqual(PIPELINES.map(() => 1));
});

describe('the pipelines of the docs', () => {
  test(
    'wait for a server that is unreachable at the start, although the first call of each kind is lost afterwards',
    async () => {
      for (const [index, pipeline] of PIPELINES.entries())
        for (let replica = 0; replica < (pipeline.replicas ?? 1); replica++) {
          const actor = await stage.perform(pipeline.name, blockOf(pipeline.marks), `${index}/`, async (proxy) => {
            if (pipeline.fromTheStart) await proxy.refuse();
          });
          running.push({ ...actor, pipeline });
        }
      const late = running.filter(({ pipeline }) => pipeline.fromTheStart);
      await Promise.all(
        groups()
          .filter(([first]) => first?.pipeline.fromTheStart === false)
          .map((actors) => isAlive(actors)),
      );
      // Longer than a call retries by itself.
      await delay(2_000);
      for (const { proxy } of late) proxy.cutEach();
      await others(late);
      await Promise.all(groups().map((actors) => isAlive(actors)));
      expect(failuresOf(running)).toEqual([]);
      for (const { name, proxy } of late) expect([name, proxy.cuts.size > 0]).toEqual([name, true]);
    },
    TIMEOUT_MS,
  );

  test(
    'recover when every lease is revoked, although each call of the recovery is lost once',
    async () => {
      for (const { proxy } of running) proxy.cutEach();
      await revokeAll(direct);
      await Promise.all(groups().map((actors) => isAlive(actors)));
      expect(failuresOf(running)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    'survive twelve seconds without a server, while the history that they missed is compacted',
    async () => {
      const awayAt = performance.now();
      await Promise.all(running.map(({ proxy }) => proxy.refuse()));
      const signs = await Promise.all(groups().map(async ([first]) => first?.pipeline.poke?.(first.store, (round += 1))));
      expect(signs.length).toBeGreaterThan(10);
      for (let last = 0; last < 2; last++) await firstValueFrom(direct.kv.put('noise', ''));
      const { header } = await firstValueFrom(direct.kv.put('noise', ''));
      await firstValueFrom(direct.kv.compact(header.revision));
      await server.kill();
      for (const marks of ENDING)
        ending.push({
          fault: 'without a server',
          actor: await stage.perform(String(marks), blockOf(marks), `away${ending.length}/`, () => undefined),
        });
      await delay(Math.max(0, AWAY_MS - (performance.now() - awayAt)));
      await server.restart();
      await others(running);
      const compacted = running.filter(({ pipeline }) => pipeline.endsByCompaction === true);
      await waitFor('watches say that their history is gone', () => compacted.every(({ failures }) => failures.length > 0));
      expect(failuresOf(compacted)).toEqual(compacted.map(({ name }) => `${name}: Compacted`));
      await Promise.all(
        groups()
          .filter(([first]) => first?.pipeline.endsByCompaction !== true)
          .map((actors) => isAlive(actors, actors[0]?.pipeline.longLease !== true)),
      );
      expect(failuresOf(running.filter(({ pipeline }) => pipeline.endsByCompaction !== true))).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    'complete when their client is closed, even while they wait, and let the process exit',
    async () => {
      for (const marks of ENDING)
        ending.push({
          fault: 'with each call lost once',
          actor: await stage.perform(String(marks), blockOf(marks), `cut${ending.length}/`, (proxy) => proxy.cutEach()),
        });
      await waitFor('programs that end have ended', () => ending.every(({ actor }) => isOver(actor)));
      const before = failuresOf(running);
      stage.send({ type: 'close' });
      expect(await Promise.race([stage.exit, delay(60_000, 'it runs on', { ref: false })])).toBe(0);
      expect(failuresOf(running)).toEqual(before);
      expect(stage.complaints).toBe('');
    },
    TIMEOUT_MS,
  );
});

/** Returns whether the block has shown its documented output, or failed. */
function isOver({ block, lines, failures }: Actor): boolean {
  return failures.length > 0 || lines.length >= transcript(block).length || (/error:/.test(block.code) && lines.length > 0);
}

const transcript = ({ code }: Block): readonly string[] => (transcriptOf(code) ?? []).filter((line) => !line.startsWith(PROMPT));

/** Returns whether a program ended in another allowed way: nothing was done, or the outcome is unknown. */
const TYPED = ['ClientClosed', 'Unreachable', 'ConnectionLost', 'DeadlineExceeded', 'AmbiguousWrite', 'LockLost', 'LeaseLost'];

describe('a program of the docs that ends', () => {
  test('logs its documented output, or fails with an error that states what is known, whichever call is lost', () => {
    expect(ending.length).toBe(2 * ENDING.length);
    const wrong = ending.filter(({ actor: { block, lines, failures } }) => {
      if (failures.length > 0) return failures.some((reason) => !TYPED.includes(reason));
      return !/error:/.test(block.code) && !lines.every((line, index) => isAsExpected(line, transcript(block)[index] ?? ''));
    });
    expect(wrong.map(({ fault, actor: { name, lines, failures } }) => ({ fault, name, lines, failures }))).toEqual([]);
  });
});
