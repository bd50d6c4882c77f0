import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { run } from '../../etcd/index.js';

/** A network namespace. */
export interface Namespace {
  /** The process that keeps the namespace alive. */
  readonly pid: number;
  /** The prefix of a command that runs in the namespace. */
  readonly within: readonly string[];
  /** Runs lines of `ip` in the namespace. */
  ip(...lines: readonly string[]): Promise<void>;
  /** Releases the namespace. It is deleted, with all its links, when the last process in it has ended. */
  release(): Promise<void>;
}

/**
 * Creates a namespace without a name or a file. It belongs to a shell that runs as long as a pipe from this process is
 * open. The kernel closes the pipe however this process ends, so nothing has to be cleaned up after a crash.
 */
export async function makeNamespace(): Promise<Namespace> {
  const child = spawn('unshare', ['--net', 'sh', '-c', 'echo there; read -r _'], { stdio: ['pipe', 'pipe', 'ignore'], detached: true });
  const { pid } = child;
  child.stdin.on('error', () => undefined);
  const exit = once(child, 'exit');
  const said = await Promise.race([once(child.stdout, 'data'), exit.then(() => undefined)]);
  if (said === undefined || pid === undefined) throw new Error('unshare --net was refused');
  child.stdout.destroy();
  // A namespace that a test did not close must not keep this process alive.
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

/** Runs lines of `ip`, in a namespace or in the current one. */
export async function ip(lines: readonly string[], within: readonly string[] = []): Promise<void> {
  await command([...within, 'ip', '-batch', '-'], lines.join('\n'));
}

/** Runs a command; rejects unless it succeeds. */
export async function command([file = '', ...args]: readonly string[], input = ''): Promise<void> {
  const { code, stderr } = await run(file, args, { input });
  if (code !== 0) throw new Error(`${[file, ...args].join(' ')} ended with ${code}: ${stderr.trim()}\n${input}`);
}
