/**
 * Runs blocks of the docs, one after the other, each with a client `etcd` around it and an empty store. Told on its input which, as JSON; says of each what was
 * shown, a line of JSON each.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { format, promisify } from 'node:util';
import { firstValueFrom } from 'rxjs';
import { createClient, type Client } from '../../src/index.js';
import { PROMPT } from '../support/docs/blocks.js';
import { revokeAll } from '../support/revokeAll.js';

/** What is to be done. */
export interface Programme {
  readonly endpoint: string;
  /** The folder of `etcdctl`. */
  readonly tools: string;
  readonly blocks: readonly { readonly place: string; readonly file: string; readonly transcript: readonly string[] }[];
}

/** What came of a block: its lines, and the commands in between. */
export interface Performance {
  readonly place: string;
  readonly shown: readonly string[];
}

const PATIENCE_MS = 30_000;
const { endpoint, tools, blocks } = JSON.parse(await text(process.stdin)) as Programme;
const backstage = createClient({ endpoints: endpoint });

/** Until it is so; false where it never was. */
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

/** The server keeps a watch now and then whose connection was closed just when it was made. */
let forgotten = 0;

/** Nothing of the last block is left. */
async function clear(): Promise<void> {
  await until(async () => (await serverWatches()) <= forgotten, 1_000);
  // It may also have ended some of them since.
  forgotten = await serverWatches();
  await revokeAll(backstage);
  await firstValueFrom(backstage.kv.delete({ all: true }));
}

let shown: string[] = [];
const show = (...words: unknown[]): void => void shown.push(...format(...words).split('\n'));
console.log = console.warn = show;
process.on('uncaughtException', (error) => show(`not caught: ${String(error)}`));

/** What a block finds around it. */
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
      // A block that waits for a change watches, and may show something before the watch has begun.
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

// What a block left open must not keep this alive.
play().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
  },
);
