import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { getText, getVersion } from './http.js';
import { cleanEnv, lastLines } from './run.js';
import type { ClientTls } from './types.js';

/** Shorter than jest's timeout of a hook, so that the reason is reported. */
export const START_TIMEOUT_MS = 60_000;

/** The expected server, and how to distinguish it from another etcd. */
export interface Target {
  readonly endpoint: string;
  /** A part of the command line that no other etcd has. */
  readonly marks: readonly string[];
  readonly tls: ClientTls | undefined;
}

export interface LaunchPlan extends Target {
  readonly etcd: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>> | undefined;
  readonly logFile: string;
  readonly timeoutMs: number;
  /** The caller no longer waits. */
  readonly signal: AbortSignal | undefined;
}

export interface Running {
  readonly pid: number;
  /** Resolves, with the reason, when the process has exited. Never rejects. */
  readonly ended: Promise<string>;
  /** Does the same, and keeps this process alive until then. */
  readonly wait: () => Promise<string>;
  readonly alive: () => boolean;
}

/** The process exited early, or was not ready in time. With `portTaken`, other ports may help. */
export class LaunchError extends Error {
  override readonly name = 'LaunchError';
  constructor(
    message: string,
    readonly portTaken: boolean,
  ) {
    super(message);
  }
}

export function readLog(file: string, lines?: number): string {
  try {
    return lastLines(readFileSync(file, 'utf8'), lines);
  } catch {
    return '';
  }
}

function begin(plan: LaunchPlan): Running {
  // The output goes to a file: a pipe would block etcd when a busy test does not read it.
  const log = openSync(plan.logFile, 'w');
  const child = spawn(plan.etcd, plan.args, { stdio: ['ignore', log, log], env: cleanEnv(plan.env), detached: true });
  closeSync(log);
  // The watchdog ends the process with this one, so it need not keep this one alive.
  child.unref();
  let running = true;
  const ended = new Promise<string>((resolve) => {
    const end = (reason: string): void => {
      running = false;
      resolve(reason);
    };
    child.on('error', (error) => end(`could not be started: ${error.message}`));
    child.on('exit', (code, signal) => end(signal === null ? `ended with code ${code}` : `was ended by ${signal}`));
  });
  const wait = (): Promise<string> => {
    if (running) child.ref();
    return ended;
  };
  return { pid: child.pid ?? -1, ended, wait, alive: () => running };
}

/** Starts the process, and waits for readiness, an early exit or the timeout. */
export async function launch(plan: LaunchPlan, onPid: (pid: number | undefined) => void): Promise<Running> {
  const running = begin(plan);
  onPid(running.pid > 0 ? running.pid : undefined);
  void running.ended.then(() => onPid(undefined));
  const stopped = new AbortController();
  const late = AbortSignal.timeout(plan.timeoutMs);
  const ready = waitReady(plan, AbortSignal.any([stopped.signal, late, ...(plan.signal ? [plan.signal] : [])]));
  const failure = await Promise.race([ready, running.ended]);
  stopped.abort();
  if (failure === undefined && running.alive()) return running;
  if (running.alive()) {
    process.kill(running.pid, 'SIGKILL');
    await running.wait();
  }
  const output = readLog(plan.logFile);
  const message = `etcd ${failure ?? 'ended'} (${plan.etcd} ${plan.args.join(' ')}). Its last lines:\n${output || '(none)'}`;
  throw new LaunchError(message, /address already in use/.test(output));
}

/** Polls until the server is ready, or the signal aborts; then it reports the missing condition. */
export async function waitReady(target: Target, signal: AbortSignal): Promise<string | undefined> {
  for (;;) {
    const missing = await whatIsMissing(target).catch(String);
    if (missing === undefined) return undefined;
    if (signal.aborted) return `was not ready in time: ${missing}`;
    await delay(20);
  }
}

/**
 * The server is ready, and the expected one: another etcd may hold the port while the new one is about to fail on it.
 * The command line shows the difference on every version; the member list would get no response with auth. The check
 * requires a leader, and not `/health`, which an alarm makes false.
 */
async function whatIsMissing({ endpoint, marks, tls }: Target): Promise<string | undefined> {
  if ((await getVersion(endpoint, tls)).cluster === 'not_decided') return 'the members have not agreed on a version';
  if (!/^etcd_server_has_leader 1$/m.test(await getText(`${endpoint}/metrics`, tls))) return 'it knows no leader';
  const variables = await getText(`${endpoint}/debug/vars`, tls);
  return marks.every((mark) => variables.includes(JSON.stringify(mark))) ? undefined : 'another etcd answers';
}
