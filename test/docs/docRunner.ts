/**
 * Runs blocks of the docs, one after the other, each with a client `etcd` around it and an empty store. Reads their
 * numbers as JSON, and prints the output of each as a line of JSON.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { format, promisify } from 'node:util';
import { firstValueFrom } from 'rxjs';
import { createClient, type Client } from '../../src/index.js';
import { PROMPT } from '../support/docs/blocks.js';
import { PATIENT } from '../support/patient.js';
import { revokeAll } from '../support/revokeAll.js';

/** The task. */
export interface Programme {
  readonly endpoint: string;
  /** The folder of `etcdctl`. */
  readonly tools: string;
  readonly blocks: readonly { readonly place: string; readonly file: string; readonly transcript: readonly string[] }[];
}

/** The result of a block: its lines, and the commands in between. */
export interface Performance {
  readonly place: string;
  readonly shown: readonly string[];
}

const PATIENCE_MS = 60_000;
const { endpoint, tools, blocks } = JSON.parse(await text(process.stdin)) as Programme;
const backstage = createClient({ ...PATIENT, endpoints: endpoint });

/** Resolves with true once the condition holds, or with false after a timeout. */
async function until(isSo: () => boolean | Promise<boolean>, patienceMs = PATIENCE_MS): Promise<boolean> {
  for (const end = performance.now() + patienceMs; !(await isSo()); await delay(5)) if (performance.now() > end) return false;
  return true;
}

async function serverWatches(): Promise<number> {
  const families = await firstValueFrom(backstage.metrics());
  return families.find(({ name }) => name === 'etcd_debugging_mvcc_watcher_total')?.samples[0]?.value ?? NaN;
}

async function command(line: string): Promise<void> {
  const env = { ...process.env, PATH: `${tools}:${process.env['PATH'] ?? ''}`, ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: endpoint };
  await promisify(execFile)('sh', ['-c', line], { env });
}

/** The server sometimes keeps a watch whose connection was closed just when it was created. */
let forgotten = 0;

/** Nothing of the last block remains. */
async function clear(): Promise<void> {
  await until(async () => (await serverWatches()) <= forgotten, 1_000);
  // Some of them may have ended since.
  forgotten = await serverWatches();
  await revokeAll(backstage);
  await firstValueFrom(backstage.kv.delete({ all: true }));
}

let shown: string[] = [];
const show = (...words: unknown[]): void => void shown.push(...format(...words).split('\n'));
console.log = console.warn = show;
process.on('uncaughtException', (error) => show(`not caught: ${String(error)}`));

/** The variables of a block. */
declare global {
  var etcd: Client;
}

async function perform(file: string, transcript: readonly string[]): Promise<readonly string[]> {
  await clear();
  shown = [];
  const watches = /etcd\.(watch|live)/.test(readFileSync(file, 'utf8'));
  globalThis.etcd = createClient({ endpoints: endpoint });
  const played = import(file).catch((error: unknown) => show(`failed: ${String(error)}`));
  for (const [index, line] of transcript.entries()) {
    if (!line.startsWith(PROMPT)) {
      if (!(await until(() => shown.length > index))) break;
    } else {
      // A block that waits for a change has a watch, and may print something before the watch has begun.
      if (index === 0 || watches) await until(async () => (await serverWatches()) > forgotten);
      shown.push(line);
      await command(line.slice(PROMPT.length)).catch((error: unknown) => show(String(error)));
    }
  }
  await globalThis.etcd.close();
  await Promise.race([played, delay(PATIENCE_MS, undefined, { ref: false })]);
  return shown;
}

async function play(): Promise<void> {
  for (const { place, file, transcript } of blocks)
    process.stdout.write(`${JSON.stringify({ place, shown: await perform(file, transcript) })}\n`);
}

// Open handles of a block must not keep this process alive.
play().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
  },
);
