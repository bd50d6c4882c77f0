import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { projectRoot } from '../etcd/project.js';
import type { Line, Orders } from './protocol.js';

/** A process of contenders that is killed, stopped and begun anew; what it says is written down. */
export class ContenderProcess {
  readonly lines: Line[] = [];
  /** Keys of what its contenders own, as far as they were told. */
  readonly owning = new Set<string>();
  /** Owners that were told of a loss. */
  lost = 0;
  /** What it complained of in words. */
  complaints = '';
  private child: ChildProcess | undefined;

  constructor(private readonly orders: Orders) {}

  /** Begins (anew), with other chance than before; resolves when the contenders contend. */
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

  /** Ends it by a signal, and waits for that. */
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

/** One that is killed may leave half a line. */
function parse(text: string): Line | undefined {
  try {
    return JSON.parse(text) as Line;
  } catch {
    return undefined;
  }
}
