import type { Socket } from 'node:net';

/** The bytes that flow in one direction, on all connections together, with the faults that affect them. */
export class Lane {
  /** The number of bytes that were passed on since the proxy was started. */
  bytes = 0;
  /** The delay of each chunk; the order of chunks stays the same. */
  delayMs = 0;
  /** The highest number of bytes per second of each connection. */
  bytesPerSecond = Infinity;
  private budget = Infinity;
  private stalled = false;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly cut: () => void) {}

  /** Passes on this many bytes from now on, then ends every connection, once. Data of later connections pass. */
  cutAfter(bytes: number): void {
    this.budget = bytes;
  }

  /** Passes nothing on; connections stay open, and do not detect it. */
  stall(): void {
    this.stalled = true;
  }

  /** Passes on the data that were held back, and new data. */
  resume(): void {
    this.stalled = false;
    for (const go of this.waiting.splice(0)) go();
  }

  /** @internal Passes the data of one socket to another. */
  connect(from: Socket, to: Socket): void {
    // Chunks are in one queue, as two timers of nearly the same time may fire in the wrong order.
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
      // A throttled direction stops reading, so that the sender gets backpressure.
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
    // Written data still arrive before the end.
    if (last.length === 0) this.cut();
    else to.write(last, () => this.cut());
  }
}

/** Both directions of a proxy. */
export interface Lanes {
  /** From the client to the server: requests. */
  readonly up: Lane;
  /** From the server to the client: responses. */
  readonly down: Lane;
}
