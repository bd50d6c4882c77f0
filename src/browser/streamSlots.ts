import { asyncScheduler, Subscription } from 'rxjs';
import { type ErrorDetails, EtcdError } from '../errors/index.js';

/**
 * The most streams to a host over HTTP/1.1. A browser has six connections to a host, and two are left for calls. Over
 * TLS etcd speaks HTTP/2, which has no such limit.
 */
const MOST_STREAMS = 4;

/** How long a stream waits for another to end, in milliseconds: less than the timeout of its first response. */
const WAIT_MS = 1_000;

/** Limits the streams to each host, so that they leave connections for calls. */
export class StreamSlots {
  private readonly hosts = new Map<string, { open: number; readonly waiting: Set<() => void> }>();

  /**
   * Runs `start` when the host may have one more stream, or `refuse` when none has ended for a while. The slot is free
   * again when the Subscription that is returned ends.
   */
  take(origin: string, where: ErrorDetails, start: () => void, refuse: (error: EtcdError) => void): Subscription {
    const taken = new Subscription();
    const host = this.hosts.get(origin) ?? { open: 0, waiting: new Set() };
    this.hosts.set(origin, host);
    const begin = (): void => {
      host.open += 1;
      taken.add(() => {
        host.open -= 1;
        const [next] = host.waiting;
        next?.();
      });
      start();
    };
    if (!origin.startsWith('http:') || host.open < MOST_STREAMS) {
      begin();
      return taken;
    }
    const patience = asyncScheduler.schedule(() => {
      host.waiting.delete(proceed);
      refuse(tooMany(host.open, where));
    }, WAIT_MS);
    const proceed = (): void => {
      host.waiting.delete(proceed);
      patience.unsubscribe();
      begin();
    };
    host.waiting.add(proceed);
    taken.add(patience);
    taken.add(() => host.waiting.delete(proceed));
    return taken;
  }
}

const tooMany = (open: number, where: ErrorDetails): EtcdError =>
  new EtcdError(
    'TooManyPending',
    `${open} streams are open, and a browser has six connections to a host over HTTP/1.1; use https, or WebSocket, or fewer distinct watches`,
    where,
  );
