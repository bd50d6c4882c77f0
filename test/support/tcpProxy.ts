import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** The bytes that flow one way, of all connections together, and what befalls them. */
export class Lane {
  /** Passed on since the proxy was started. */
  bytes = 0;
  /** Each chunk arrives so much later; their order stays. */
  delayMs = 0;
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
    let due = 0;
    const deliver = (action: () => void): void => {
      const now = performance.now();
      due = Math.max(due, now + this.delayMs);
      if (due <= now) action();
      else setTimeout(action, due - now);
    };
    from.on('data', (chunk: Buffer) => {
      const pass = (): void => deliver(() => this.pass(chunk, to));
      if (!this.stalled) return pass();
      from.pause();
      this.waiting.push(() => {
        pass();
        from.resume();
      });
    });
    from.on('end', () => {
      const end = (): void => deliver(() => to.end());
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

/** Stands between a client and a server, and breaks things. */
export interface TcpProxy {
  readonly endpoint: string;
  /** From the client to the server: requests. */
  readonly up: Lane;
  /** From the server to the client: answers. */
  readonly down: Lane;
  /** Connections that were made, and those that are open. */
  readonly accepted: number;
  readonly open: number;
  /** Ends every connection, now. */
  cut(): void;
  /** Ends every connection and refuses new ones, until {@link accept}. */
  refuse(): Promise<void>;
  accept(): Promise<void>;
  close(): Promise<void>;
}

/** A proxy before a server, by default on a port of its own. */
export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const clients = new Set<Socket>();
  let accepted = 0;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const up = new Lane(cut);
  const down = new Lane(cut);
  // allowHalfOpen: an end goes through the lane like everything else.
  const server = createServer({ allowHalfOpen: true }, (client) => {
    accepted += 1;
    const upstream = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    clients.add(client);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        clients.delete(socket);
        other.destroy();
      });
    }
    up.connect(client, upstream);
    down.connect(upstream, client);
  });
  const listen = (at: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(at, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
  const refuse = (): Promise<void> =>
    new Promise((resolve) => {
      if (!server.listening) return resolve();
      server.close(() => resolve());
      cut();
    });
  await listen(0);
  const own = (server.address() as AddressInfo).port; // a string only for a pipe
  return {
    endpoint: `http://127.0.0.1:${own}`,
    up,
    down,
    get accepted() {
      return accepted;
    },
    get open() {
      return clients.size;
    },
    cut,
    refuse,
    accept: () => listen(own),
    close: refuse,
  };
}
