import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { run } from '../../etcd/index.js';

/** A network namespace. */
export interface Namespace {
  /** The process that holds it. */
  readonly pid: number;
  /** What a command begins with that is to run in it. */
  readonly within: readonly string[];
  /** Runs lines of `ip` in it. */
  ip(...lines: readonly string[]): Promise<void>;
  /** Lets go of it: it is gone, with all its links, when nothing runs in it any more. */
  release(): Promise<void>;
}

/**
 * Makes a namespace that has no name and no file. It is that of a shell which lives for as long as a pipe from this process is open, which the kernel closes however we
 * end: nothing has to be cleaned up after a crash.
 */
export async function makeNamespace(): Promise<Namespace> {
  const child = spawn('unshare', ['--net', 'sh', '-c', 'echo there; read -r _'], { stdio: ['pipe', 'pipe', 'ignore'], detached: true });
  const { pid } = child;
  child.stdin.on('error', () => undefined);
  const exit = once(child, 'exit');
  const said = await Promise.race([once(child.stdout, 'data'), exit.then(() => undefined)]);
  if (said === undefined || pid === undefined) throw new Error('unshare --net was refused');
  child.stdout.destroy();
  // One that a test forgot must not keep this process alive.
  child.unref();
  if (child.stdin instanceof Socket) child.stdin.unref();
  const within = ['nsenter', `--net=/proc/${pid}/ns/net`, '--'];
  return {
    pid,
    within,
    ip: (...lines) => ip(lines, within),
    release: async () => {
      child.ref();
      child.stdin.end();
      await exit;
    },
  };
}

/** Runs lines of `ip`, in a namespace or where we are. */
export async function ip(lines: readonly string[], within: readonly string[] = []): Promise<void> {
  await command([...within, 'ip', '-batch', '-'], lines.join('\n'));
}

/** Runs a command to its end, which has to be a good one. */
export async function command([file = '', ...args]: readonly string[], input = ''): Promise<void> {
  const { code, stderr } = await run(file, args, { input });
  if (code !== 0) throw new Error(`${[file, ...args].join(' ')} ended with ${code}: ${stderr.trim()}\n${input}`);
}
