import { asyncScheduler, type Observable } from 'rxjs';
import { EtcdError } from '../errors/index.js';
import { shareUntilDone } from './shareUntilDone.js';
import type { ServerVersion } from './version.js';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

/** What is known of the server behind an endpoint. The version is undefined where an `apiPrefix` is set and the server would not tell. */
export interface ServerInfo {
  readonly version: ServerVersion | undefined;
  /** Where its gateway has its RPCs: `/v3`. */
  readonly prefix: string;
}

/** One address of the cluster: what is known of it, and whether it is worth asking. */
export class Endpoint {
  /** When something last came from it. */
  heardAt = 0;
  private failures = 0;
  private retryAt = 0;
  private info: ServerInfo | undefined;
  private readonly discovery: Observable<ServerInfo>;

  constructor(
    readonly origin: string,
    discover: (origin: string) => Observable<ServerInfo>,
  ) {
    this.discovery = shareUntilDone(
      () => discover(origin),
      (info) => (this.info = info),
    );
  }

  /** What was found out already, for the way that every call takes but the first. */
  get known(): ServerInfo | undefined {
    return this.info;
  }

  /** Asks the server what it is; all who wait share one question. */
  discover(): Observable<ServerInfo> {
    return this.discovery;
  }

  /** Asks anew at the next call: the server may have been replaced. */
  forget(): void {
    this.info = undefined;
  }

  /** When it may be asked again; in the past for one that works. */
  get pausedUntil(): number {
    return this.retryAt;
  }

  /** It answered: the back-off starts over. */
  succeeded(): void {
    this.failures = 0;
    this.retryAt = 0;
  }

  /** It did not: it is set aside for a while that doubles each time, and may be another server when it is back. */
  failed(): void {
    const now = asyncScheduler.now();
    this.forget();
    // All the calls on a connection that breaks are one failure.
    if (now < this.retryAt) return;
    this.retryAt = now + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.failures);
    this.failures += 1;
  }
}

/** The addresses of a cluster, asked in turn; one that failed is passed over while another works. */
export class Endpoints {
  private readonly all: readonly Endpoint[];
  private next = 0;

  constructor(origins: readonly string[], discover: (origin: string) => Observable<ServerInfo>) {
    this.all = origins.map((origin) => new Endpoint(origin, discover));
  }

  get size(): number {
    return this.all.length;
  }

  /** The next in turn that is not set aside; where all are, the one whose pause ends first. */
  pick(): Endpoint {
    const now = asyncScheduler.now();
    let best: Endpoint | undefined;
    for (let step = 0; step < this.all.length; step++) {
      const candidate = this.all[(this.next + step) % this.all.length];
      if (candidate === undefined) continue;
      if (candidate.pausedUntil <= now) {
        this.next = (this.next + step + 1) % this.all.length;
        return candidate;
      }
      if (best === undefined || candidate.pausedUntil < best.pausedUntil) best = candidate;
    }
    if (best === undefined) throw new EtcdError('Unreachable', 'there is no endpoint');
    return best;
  }

  /** The endpoint at this address. @throws EtcdError `InvalidArgument` where it is not one of the client's */
  at(address: string): Endpoint {
    const origin = originOf(address);
    const found = this.all.find((endpoint) => endpoint.origin === origin);
    // What was asked for is not repeated: it may have a password in it.
    if (found === undefined) {
      throw new EtcdError(
        'InvalidArgument',
        `the option endpoint is none of this client's: ${this.all.map((endpoint) => endpoint.origin).join(', ')}`,
      );
    }
    return found;
  }
}

/** As `createClient` reads it, so that an address works here as it was given there. */
function originOf(address: string): string | undefined {
  return URL.canParse(address) ? new URL(address).origin : undefined;
}
