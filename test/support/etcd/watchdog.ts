import { spawn } from 'node:child_process';
import { Socket } from 'node:net';

/**
 * Reads process ids, one per line, until the pipe closes; then kills the last one and removes the folder. The removal
 * is repeated, as the killed process may be writing its last file.
 */
const script = `
pid=
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then kill -KILL "$pid"; fi
for try in 1 2 3 4 5 6 7 8; do
  rm -rf -- "$1" && [ ! -e "$1" ] && exit 0
  sleep 0.2
done`;

export interface Watchdog {
  /** The process to kill if this one exits; `undefined` for none at the moment. */
  watch(pid: number | undefined): void;
  /** Ends the watchdog, so that no process is killed, and removes the folder. */
  release(): void;
}

/**
 * A shell that outlives this process for a moment. Its standard input is a pipe from this process, which the kernel
 * closes after any exit: a return, a crash, Ctrl-C, SIGTERM, even SIGKILL. So no handler of signals or of 'exit' is
 * needed, and those of the tested program keep their meaning. It also works inside a jest worker, where
 * `process.on('exit')` reaches only the sandbox's copy of `process`.
 */
export function startWatchdog(folder: string): Watchdog {
  // It has a separate process group, as Ctrl-C in the terminal reaches all processes in this one.
  const child = spawn('sh', ['-c', script, 'etcd-watchdog', folder], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  child.unref();
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  // A server that a test forgot to stop must not keep the process alive.
  if (child.stdin instanceof Socket) child.stdin.unref();
  return {
    watch: (pid) => void child.stdin.write(`${pid ?? ''}\n`),
    release: () => void child.stdin.end('\n'),
  };
}
