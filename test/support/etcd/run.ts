import { spawn } from 'node:child_process';

export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
  /** The exit code; `null` when a signal ended it. */
  readonly code: number | null;
}

export interface RunOptions {
  readonly input?: string | Uint8Array | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly cwd?: string | undefined;
  /** After this the process is killed and the promise rejected. Default 120 000. */
  readonly timeoutMs?: number | undefined;
}

/**
 * The environment without `ETCD_*` and `ETCDCTL_*`: etcd takes every flag from there as well, and our
 * own `ETCD_VERSION=3.4` would be its flag `--version` with a value that it refuses.
 */
export function cleanEnv(extra: Readonly<Record<string, string | undefined>> = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([key]) => !/^ETCD(CTL|UTL)?_/.test(key));
  return { ...Object.fromEntries(own), ...extra };
}

/** Runs a program to its end. Rejects when it cannot be started or takes too long, not on an exit code. */
export function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { input, env, cwd, timeoutMs = 120_000 } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env: cleanEnv(env), stdio: 'pipe', ...(cwd === undefined ? {} : { cwd }) });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${file} ${args.join(' ')} took more than ${timeoutMs} ms`));
    }, timeoutMs);
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    // A program that does not read its input closes the pipe: its exit code tells more than EPIPE.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString(), code });
    });
  });
}

/** The last lines of an output that are not empty, for error messages; and the first, as a page of usage may follow the complaint. */
export function lastLines(text: string, count = 12): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.length <= count ? lines.join('\n') : [lines[0], '…', ...lines.slice(-count)].join('\n');
}
