import { setTimeout as delay } from 'node:timers/promises';
import { firstValueFrom } from 'rxjs';
import { createClient, type Client } from '../../../src/index.js';
import { startEtcd } from '../etcd/index.js';
import { PATIENT } from '../patient.js';
import { randomFrom, type Random } from '../random.js';
import { startTcpProxy, type TcpProxy } from '../faultProxies/tcpProxy.js';
import { ContenderProcess } from './child.js';
import { verify, type Figures, type Happened } from './verify.js';
import { COUNTERS, LOCKS, machineNow } from './protocol.js';
import { waitFor } from '../waitFor.js';

export interface ChaosOptions {
  readonly seed: number;
  readonly seconds: number;
  /** The run continues, for at most another minute, until this many owners have received a loss. */
  readonly losses: number;
  readonly version?: string | undefined;
  readonly print: (line: string) => void;
}

const PROCESSES = 4;
const CONTENDERS = 5;
const NAMES = ['red', 'green', 'blue'];
const TTL = 2;
const GOES_ON_MS = 120_000;

const FAULTS = ['kill', 'stop', 'stop', 'cut', 'stall', 'refuse'] as const;
type Fault = (typeof FAULTS)[number];

/** A process of contenders, the proxy between it and the server, and the source of its faults. */
interface Seat {
  readonly process: ContenderProcess;
  readonly proxy: TcpProxy;
  readonly random: Random;
}

/** Runs contenders for locks under faults; throws, with the seed, if mutual exclusion was violated. */
export async function lockChaos({ seed, seconds, losses, version, print }: ChaosOptions): Promise<Figures> {
  const random = randomFrom(seed);
  const server = await startEtcd({ own: true, version });
  const title = `etcd ${server.version}, locks`;
  print(`${title}: SEED=${random.seed}, ${PROCESSES * CONTENDERS} contenders in ${PROCESSES} processes, ${seconds} s`);
  const etcd = createClient({ ...PATIENT, endpoints: server.endpoint });
  const seats: Seat[] = [];
  try {
    const failures: unknown[] = [];
    const history = record(etcd, (error) => failures.push(error));
    for (let index = 0; index < PROCESSES; index++) {
      const proxy = await startTcpProxy(server.endpoint);
      const name = `process ${index}`;
      const process = new ContenderProcess({ endpoint: proxy.endpoint, name, contenders: CONTENDERS, locks: NAMES, ttl: TTL, seed });
      seats.push({ process, proxy, random: random.fork(name) });
    }
    await Promise.all(seats.map(({ process, random }) => process.start(random.int(0, 2 ** 31))));
    const faults = new Map<Fault, number>();
    const end = machineNow() + seconds * 1_000;
    const lost = (): number => seats.reduce((sum, { process }) => sum + process.lost, 0);
    const enough = (): boolean => machineNow() > end && (lost() >= losses || machineNow() > end + 60_000);
    await Promise.all(seats.map((seat) => trouble(seat, enough, faults)));
    await goesOn(etcd);
    await Promise.all(seats.map(({ process }) => process.end('SIGTERM')));
    await waitFor('everything is given back', async () => (await firstValueFrom(etcd.kv.count({ prefix: LOCKS }))) === 0);
    const { header } = await firstValueFrom(etcd.kv.put(COUNTERS, JSON.stringify({ n: 1, owner: Infinity })));
    await waitFor('the history is complete', () => failures.length > 0 || (history.at(-1)?.revision ?? 0) >= header.revision);
    if (failures.length > 0) throw new Error('the watch of the history ended', { cause: failures[0] });
    history.pop();
    const figures = verify(
      history,
      seats.flatMap(({ process }) => process.lines),
    );
    print(`${title}: ${[...faults].map(([fault, times]) => `${times} × ${fault}`).join(', ')}; ${describe(figures)}, SEED=${random.seed}`);
    return figures;
  } catch (cause) {
    const words = seats.map(({ process }) => process.complaints).join('');
    throw new Error(`${title}, SEED=${random.seed}: ${String(cause)}${words === '' ? '' : `\n${words}`}`, { cause });
  } finally {
    await Promise.all(seats.map(({ process }) => process.end('SIGKILL')));
    await etcd.close();
    await Promise.all(seats.map(({ proxy }) => proxy.close()));
    await server.stop();
  }
}

/** Causes faults in a process until there are enough, and leaves it without a fault. */
async function trouble({ process, proxy, random }: Seat, enough: () => boolean, faults: Map<Fault, number>): Promise<void> {
  while (!enough()) {
    await delay(random.int(100, 2_000));
    const fault = random.pick(FAULTS);
    // Mostly while one of its contenders owns a lock: then the fault matters.
    if (random.chance(0.9)) await untilOrLater(() => process.owning.size > 0, 2_000);
    faults.set(fault, (faults.get(fault) ?? 0) + 1);
    await strike(fault, process, proxy, random);
  }
}

async function strike(fault: Fault, process: ContenderProcess, proxy: TcpProxy, random: Random): Promise<void> {
  switch (fault) {
    case 'kill':
      await process.end('SIGKILL');
      return process.start(random.int(0, 2 ** 31));
    case 'stop':
      process.signal('SIGSTOP');
      await delay(TTL * 1_000 + random.int(-700, 1_500));
      return process.signal('SIGCONT');
    case 'cut':
      return proxy.cut();
    case 'stall': {
      const lanes = random.pick([[proxy.up], [proxy.down], [proxy.up, proxy.down]]);
      for (const lane of lanes) lane.stall();
      await delay(random.int(500, TTL * 1_000 + 2_000));
      for (const lane of lanes) lane.resume();
      return;
    }
    case 'refuse':
      await proxy.refuse();
      await delay(random.int(200, TTL * 1_000 + 2_000));
      return proxy.accept();
  }
}

/** Records all changes of locks and counters, from the first revision on. */
function record(etcd: Client, onError: (error: unknown) => void): Happened[] {
  const history: Happened[] = [];
  etcd.watch({ prefix: 'chaos/' }, { startRevision: 1 }).subscribe({
    next: ({ type, kv, revision }) => {
      history.push({
        revision,
        type,
        key: kv.key,
        value: type === 'put' ? kv.value : '',
        createRevision: kv.createRevision,
        at: machineNow(),
      });
    },
    error: onError,
  });
  return history;
}

/** Checks that every lock is acquired again, and by more than one owner. */
async function goesOn(etcd: Client): Promise<void> {
  const owners = () => Promise.all(NAMES.map(async (name) => (await firstValueFrom(etcd.kv.get(COUNTERS + name)))?.value ?? ''));
  const before = await owners();
  // On a busy machine a process takes a minute to start.
  await waitFor('every counter goes on', async () => (await owners()).every((now, index) => now !== before[index]), GOES_ON_MS);
}

async function untilOrLater(isSo: () => boolean, ms: number): Promise<void> {
  for (const end = machineNow() + ms; !isSo() && machineNow() < end;) await delay(5);
}

function describe({ writes, owners, refused, lost, leastMarginMs, failures }: Figures): string {
  const reasons = Object.entries(failures)
    .map(([reason, times]) => `${times} × ${reason}`)
    .join(', ');
  return `${writes} guarded writes by ${owners} owners, ${refused} refused; ${lost} losses told to owners, who knew ${Math.round(leastMarginMs)} ms before the key was gone at the least; attempts ended in ${reasons}`;
}
