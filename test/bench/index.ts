/**
 * `npm run bench`: see docs/benchmarks.md. The measured code is compiled by tsc, as the package is, and runs on bare
 * Node. tsx would add a name to every closure when it is created, which costs the client and the floor more than some
 * of the measured work.
 */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { projectRoot } from '../support/etcd/project.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const root = projectRoot();

/** Runs Node until it exits; returns the exit code. */
function node(args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
    const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
    for (const signal of SIGNALS) process.on(signal, pass);
    child.on('error', reject);
    child.on('close', (code) => {
      for (const signal of SIGNALS) process.off(signal, pass);
      resolve(code ?? 1);
    });
  });
}

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const built = await node([tsc, '--project', join('test', 'bench', 'tsconfig.bench.json')]);
const FLAGS = [
  // The heap is measured after a garbage collection, which needs this flag.
  '--expose-gc',
  // In a process that is nearly idle for 8 s after a collection, V8 collects twice more. That takes 80 ms of CPU, in the
  // turn of one side by chance.
  '--no-memory-reducer',
];
const main = join('.cache', 'bench', 'test', 'bench', 'main.js');
process.exitCode = built === 0 ? await node([...FLAGS, main, ...process.argv.slice(2)]) : built;
