import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { etcdctl, type EtcdServer } from '../etcd/index.js';
import { cleanEnv } from '../etcd/run.js';
import { PROMPT } from './blocks.js';

const SYSTEMCTL = `${PROMPT}systemctl `;

/** Returns whether a block stops or starts etcd, and so needs a separate server. */
export const stopsEtcd = (transcript: readonly string[]): boolean => transcript.some((line) => line.startsWith(SYSTEMCTL));

export interface ProgramOptions {
  readonly server: EtcdServer;
  /** The arguments of Node, with the file of the program. */
  readonly args: readonly string[];
  readonly cwd: string;
  readonly transcript: readonly string[];
}

export interface ProgramRun {
  /** The output, with the commands in between, up to the end of the transcript. */
  readonly shown: readonly string[];
  /** The output after auth was enabled and etcd restarted. The program is not prepared for that. */
  readonly afterAuth: readonly string[];
  readonly stderr: string;
  /** The exit code; `null` if the program had to be killed. */
  readonly exitCode: number | null;
}

const PATIENCE_MS = 60_000;

/**
 * Runs a block as a separate program, which is started while etcd is stopped, and runs the commands of its transcript.
 */
export async function runProgram({ server, args, cwd, transcript }: ProgramOptions): Promise<ProgramRun> {
  await server.kill('SIGTERM');
  const child = spawn(process.execPath, args, { cwd, env: cleanEnv(), stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr, hasEnded] = ['', '', false];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  void ended.then(() => (hasEnded = true));
  const linesOf = (): readonly string[] => stdout.split('\n').slice(0, -1);
  const until = async (isSo: () => boolean): Promise<boolean> => {
    for (const end = performance.now() + PATIENCE_MS; !isSo(); await delay(20)) if (performance.now() > end) return false;
    return true;
  };
  const command = async (line: string): Promise<void> => {
    if (line === `${SYSTEMCTL}stop etcd`) return server.kill('SIGTERM');
    if (line === `${SYSTEMCTL}start etcd`) return server.restart();
    const [, words = ''] = /^\$ etcdctl (.*)$/.exec(line) ?? [];
    const { code } = await etcdctl(
      server,
      [...words.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? ''),
    );
    if (code !== 0) throw new Error(`${line}: exit code ${code}`);
  };
  const shown: string[] = [];
  let taken = 0;
  try {
    for (const line of transcript) {
      if (line.startsWith(PROMPT)) {
        await command(line);
        shown.push(line);
      } else {
        if (!(await until(() => linesOf().length > taken || hasEnded))) break;
        shown.push(...linesOf().slice(taken, taken + 1));
        taken += 1;
      }
    }
    for (const line of ['user add root:secret', 'user grant-role root root', 'auth enable']) await command(`$ etcdctl ${line}`);
    await server.restart();
    await until(() => hasEnded);
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
  return { shown, afterAuth: linesOf().slice(taken), stderr, exitCode: child.exitCode };
}
