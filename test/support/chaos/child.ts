import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { projectRoot } from '../etcd/project.js';
import type { Line, Orders } from './protocol.js';

/** A process of contenders that is killed, paused and restarted; its output is recorded. */
export class ContenderProcess {
  readonly lines: Line[] = [];
  /** Keys that its contenders own, without those whose loss was reported. */
  readonly owning = new Set<string>();
  /** Owners that have received a loss. */
  lost = 0;
  /** Its error output. */
  complaints = '';
  private child: ChildProcess | undefined;

  constructor(private readonly orders: Orders) {}

  /** Starts the process, or restarts it with another seed; resolves when the contenders run. */
  async start(seed: number): Promise<void> {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', 'test/support/chaos/contenders.ts', JSON.stringify({ ...this.orders, seed })],
      {
        cwd: projectRoot(),
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.child = child;
    child.stderr.on('data', (chunk: Buffer) => (this.complaints += chunk.toString()));
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stdout }).on('line', (text) => {
        const line = parse(text);
        if (line?.is === 'ready') resolve();
        if (line !== undefined) this.take(line);
      });
      child.once('exit', (code, signal) => reject(new Error(`${this.orders.name} ended with ${code ?? signal ?? ''}: ${this.complaints}`)));
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  /** Sends a signal to the process, and waits until it has exited. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
    this.owning.clear();
  }

  private take(line: Line): void {
    this.lines.push(line);
    if (line.is === 'owned') this.owning.add(line.key);
    if (line.is === 'lost') this.lost += 1;
    if (line.is === 'lost' || line.is === 'released') this.owning.delete(line.key);
  }
}

/** A killed process may leave an incomplete line. */
function parse(text: string): Line | undefined {
  try {
    return JSON.parse(text) as Line;
  } catch {
    return undefined;
  }
}
