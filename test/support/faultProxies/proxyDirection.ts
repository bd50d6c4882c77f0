import type { Socket } from 'node:net';

/** The bytes that flow one way, of all connections together, and what befalls them. */
export class Lane {
  /** Passed on since the proxy was started. */
  bytes = 0;
  /** Each chunk arrives so much later; their order stays. */
  delayMs = 0;
  /** No connection passes on more than so many bytes a second. */
  bytesPerSecond = Infinity;
  private budget = Infinity;
  private stalled = false;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly cut: () => void) {}

  /** Passes on so many bytes from now, then ends every connection. It happens once; what comes after that flows again. */
  cutAfter(bytes: number): void {
    this.budget = bytes;
  }

  /** Passes nothing on; connections stay open, and do not notice. */
  stall(): void {
    this.stalled = true;
  }

  /** Passes on what was held back, and what comes. */
  resume(): void {
    this.stalled = false;
    for (const go of this.waiting.splice(0)) go();
  }

  /** @internal Carries what comes out of one socket into another. */
  connect(from: Socket, to: Socket): void {
    // In one queue: two timers of nearly the same time need not come in their order.
    const queue: { readonly due: number; readonly action: () => void }[] = [];
    let due = 0;
    const run = (): void => {
      for (let [head] = queue; head !== undefined; [head] = queue) {
        const wait = head.due - performance.now();
        if (wait > 0) return void setTimeout(run, Math.ceil(wait));
        queue.shift();
        head.action();
      }
    };
    const deliver = (bytes: number, action: () => void): void => {
      due = Math.max(due, performance.now() + this.delayMs) + (bytes / this.bytesPerSecond) * 1_000;
      queue.push({ due, action });
      if (queue.length === 1) run();
    };
    from.on('data', (chunk: Buffer) => {
      // Nobody reads on behind a narrow place: the sender is to feel it.
      const narrow = this.bytesPerSecond < Infinity;
      const pass = (): void =>
        deliver(chunk.length, () => {
          this.pass(chunk, to);
          if (narrow) from.resume();
        });
      if (this.stalled || narrow) from.pause();
      if (!this.stalled) return pass();
      this.waiting.push(() => {
        pass();
        if (!narrow) from.resume();
      });
    });
    from.on('end', () => {
      const end = (): void => deliver(0, () => to.end());
      if (this.stalled) this.waiting.push(end);
      else end();
    });
  }

  private pass(chunk: Buffer, to: Socket): void {
    if (to.destroyed) return;
    if (chunk.length < this.budget) {
      this.budget -= chunk.length;
      this.bytes += chunk.length;
      to.write(chunk);
      return;
    }
    const last = chunk.subarray(0, this.budget);
    this.budget = Infinity;
    this.bytes += last.length;
    // What was written is still to arrive, and only then nothing more.
    if (last.length === 0) this.cut();
    else to.write(last, () => this.cut());
  }
}

/** Both ways through a proxy. */
export interface Lanes {
  /** From the client to the server: requests. */
  readonly up: Lane;
  /** From the server to the client: answers. */
  readonly down: Lane;
}
