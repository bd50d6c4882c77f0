import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fastFlags } from './binary.js';
import { waitFor } from '../waitFor.js';
import { launch, readLog, START_TIMEOUT_MS, type LaunchPlan, type Running } from './launch.js';
import type { BinarySource, EtcdOptions, EtcdServer } from './types.js';
import { flagsFor } from './versions.js';
import { startWatchdog } from './watchdog.js';

/** The settings of a member besides the options of the caller; ports and name are fixed. */
export interface Seat {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  /** The address where it listens; 127.0.0.1 by default. */
  readonly host?: string | undefined;
  /** A prefix of the command, to run it elsewhere as the same process. */
  readonly within?: readonly string[] | undefined;
  /** `name=peerUrl,…` of all members; by default the only member. */
  readonly initialCluster?: string | undefined;
  /** The address that it advertises, if it listens at another: that of a proxy, for example. */
  readonly advertise?: { readonly client: string; readonly peer: string } | undefined;
}

const deadly: readonly NodeJS.Signals[] = ['SIGKILL', 'SIGTERM', 'SIGINT'];

export async function startProcess(source: BinarySource, options: EtcdOptions, seat: Seat): Promise<EtcdServer> {
  const { name, clientPort, peerPort, host = '127.0.0.1', within = [] } = seat;
  const folder = await mkdtemp(join(tmpdir(), 'rxetcd-'));
  const watchdog = startWatchdog(folder);
  const dataDir = options.dataDir ?? join(folder, 'data');
  const endpoint = `${options.clientTls ? 'https' : 'http'}://${host}:${clientPort}`;
  const peerUrl = `http://${host}:${peerPort}`;
  const [program = source.etcd, ...args] = [...within, source.etcd, ...flags(source, options, { ...seat, dataDir, endpoint, peerUrl })];
  const plan: LaunchPlan = {
    etcd: program,
    args,
    env: options.env,
    logFile: join(folder, 'etcd.log'),
    endpoint,
    marks: [name, dataDir],
    tls: options.clientTls,
    timeoutMs: options.startTimeoutMs ?? START_TIMEOUT_MS,
    signal: options.signal,
  };
  const release = async (): Promise<void> => {
    watchdog.release();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  let running: Running;
  try {
    running = await launch(plan, watchdog.watch);
  } catch (error) {
    await release();
    throw error;
  }
  let released: Promise<void> | undefined;
  const send = (signal: NodeJS.Signals): void => {
    if (!running.alive()) throw new Error(`etcd ${name} does not run: ${signal} cannot be sent`);
    process.kill(running.pid, signal);
  };
  const end = async (): Promise<void> => {
    if (!running.alive()) return;
    // A paused process handles SIGTERM only later.
    send('SIGCONT');
    send('SIGTERM');
    const patience = new AbortController();
    await Promise.race([running.ended, delay(3000, undefined, { signal: patience.signal }).catch(() => undefined)]);
    patience.abort();
    if (running.alive()) send('SIGKILL');
    await running.wait();
  };
  return {
    kind: 'process',
    endpoint,
    peerUrl: seat.advertise?.peer ?? peerUrl,
    version: source.version,
    name,
    dataDir,
    clientTls: options.clientTls,
    get pid() {
      return running.alive() ? running.pid : undefined;
    },
    output: () => readLog(plan.logFile, 40),
    stop: () => (released ??= end().then(release)),
    kill: async (signal = 'SIGKILL') => {
      send(signal);
      if (deadly.includes(signal)) await running.wait();
    },
    restart: async ({ wipe = false, args = [] } = {}) => {
      if (released) throw new Error(`etcd ${name} was stopped: its data are gone`);
      await end();
      if (wipe) await rm(dataDir, { recursive: true, force: true });
      running = await launch({ ...plan, args: [...plan.args, ...flagsFor(source.version, args)] }, watchdog.watch);
    },
    pause: async () => {
      send('SIGSTOP');
      await waitUntilStopped(running.pid);
    },
    resume: async () => send('SIGCONT'),
  };
}

/** Waits until no thread of a process runs any more. The kernel stops one after the other. Only on Linux. */
async function waitUntilStopped(pid: number): Promise<void> {
  if (process.platform !== 'linux') return;
  const tasks = `/proc/${pid}/task`;
  await waitFor('all threads are stopped', async () => {
    const stats = await Promise.all((await readdir(tasks)).map((task) => readFile(`${tasks}/${task}/stat`, 'utf8').catch(() => '')));
    return stats.every((stat) => stat === '' || /^[Tt]/.test(stat.slice(stat.lastIndexOf(')') + 2)));
  });
}

interface Addresses extends Pick<Seat, 'name' | 'initialCluster' | 'advertise'> {
  readonly dataDir: string;
  readonly endpoint: string;
  readonly peerUrl: string;
}

function flags(source: BinarySource, options: EtcdOptions, at: Addresses): string[] {
  const tls = options.clientTls;
  const { client = at.endpoint, peer = at.peerUrl } = at.advertise ?? {};
  return [
    ...(source.knowsFastFlags ? fastFlags : []),
    ...['--name', at.name, '--data-dir', at.dataDir],
    ...['--listen-client-urls', at.endpoint, '--advertise-client-urls', client],
    ...['--listen-peer-urls', at.peerUrl, '--initial-advertise-peer-urls', peer],
    ...['--initial-cluster', at.initialCluster ?? `${at.name}=${peer}`],
    ...(tls ? ['--cert-file', tls.certFile, '--key-file', tls.keyFile, '--trusted-ca-file', tls.caFile] : []),
    ...(tls?.clientCertAuth === true ? ['--client-cert-auth'] : []),
    ...flagsFor(source.version, options.args ?? []),
  ];
}
