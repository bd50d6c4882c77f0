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
  /** The time after which the process is killed and the promise rejected. Default 120 000. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Returns the environment without `ETCD_*` and `ETCDCTL_*`. etcd reads every flag from there as well: our
 * `ETCD_VERSION=3.4` would set its flag `--version` to an invalid value.
 */
export function cleanEnv(extra: Readonly<Record<string, string | undefined>> = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([key]) => !/^ETCD(CTL|UTL)?_/.test(key));
  return { ...Object.fromEntries(own), ...extra };
}

/** Runs a program until it exits. Rejects if it cannot be started or takes too long, but not on an exit code. */
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
    // A program that does not read its input closes the pipe: its exit code is more useful than EPIPE.
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

/**
 * Returns the last non-empty lines of an output, for error messages, and the first, as a page of usage may follow the
 * complaint.
 */
export function lastLines(text: string, count = 12): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.length <= count ? lines.join('\n') : [lines[0], '…', ...lines.slice(-count)].join('\n');
}
