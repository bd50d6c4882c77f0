import { defer, finalize, type Observable } from 'rxjs';
import { EtcdError } from '../../errors/index.js';
import { Endpoint, type Questions } from '../endpoint.js';

/** The addresses of a cluster, asked in turn; one that failed is passed over while another works. */
export class Endpoints {
  private all: readonly Endpoint[] = [];
  private candidates: readonly Endpoint[] = [];
  private next = 0;

  constructor(
    /** Those that the user has given. They stay, so that there is always somebody to ask. */
    private given: readonly string[],
    private readonly questions: Questions,
    /** Called whenever somebody asks for an endpoint. */
    private readonly onUse: () => void = () => undefined,
  ) {
    this.arrange([]);
  }

  get size(): number {
    return this.all.length;
  }

  get origins(): readonly string[] {
    return this.all.map(({ origin }) => origin);
  }

  get anyAside(): boolean {
    return this.all.some(({ isAside }) => isAside);
  }

  /** Whether it is still one of them. */
  has(endpoint: Endpoint): boolean {
    return this.all.includes(endpoint) || this.candidates.includes(endpoint);
  }

  /** From now on these alone; what is known of those that stay is kept. @returns those that do not stay */
  give(origins: readonly string[]): readonly Endpoint[] {
    this.given = origins;
    return this.arrange([]);
  }

  /** Uses these beside those that were given. @returns those that were found before, and are not any more */
  find(origins: readonly string[]): readonly Endpoint[] {
    return this.arrange(origins);
  }

  /** Lets a call ask for an address that is not one of them, as long as it is subscribed to. */
  consider<T>(origin: string, call: () => Observable<T>): Observable<T> {
    return defer(() => {
      const candidate = new Endpoint(origin, this.questions);
      this.candidates = [...this.candidates, candidate];
      return call().pipe(finalize(() => (this.candidates = this.candidates.filter((other) => other !== candidate))));
    });
  }

  /**
   * The next in turn that is not set aside; where all are, the next of those that at least say something, or of all. Whoever asks has those that are set aside checked, in the background: a
   * client that is not in use asks nobody anything.
   *
   * @param waiting where the call waits already: there only if there is nobody else who says something
   */
  pick(waiting?: ReadonlySet<Endpoint>): Endpoint {
    this.onUse();
    const somebody = (waiting && this.talkingOf((endpoint) => !waiting.has(endpoint))) ?? this.talkingOf(() => true);
    // Nobody is passed over: the calls find out themselves.
    if (somebody === undefined) return this.nextOfAll();
    for (const endpoint of this.all) endpoint.check();
    return somebody;
  }

  /** The endpoint at this address. @throws EtcdError `InvalidArgument` where it is not one of the client's */
  at(address: string): Endpoint {
    const origin = originOf(address);
    const found = [...this.all, ...this.candidates].find((endpoint) => endpoint.origin === origin);
    // What was asked for is not repeated: it may have a password in it.
    if (found === undefined) {
      throw new EtcdError('InvalidArgument', `the option endpoint is none of this client's: ${this.origins.join(', ')}`);
    }
    return found;
  }

  private arrange(found: readonly string[]): readonly Endpoint[] {
    const before = this.all;
    const origins = [...new Set([...this.given, ...found])];
    this.all = origins.map((origin) => before.find((endpoint) => endpoint.origin === origin) ?? new Endpoint(origin, this.questions));
    const gone = before.filter((endpoint) => !this.has(endpoint));
    for (const endpoint of gone) endpoint.remove();
    return gone;
  }

  private talkingOf(isRight: (endpoint: Endpoint) => boolean): Endpoint | undefined {
    return (
      this.nextOf((endpoint) => !endpoint.isAside && isRight(endpoint)) ?? this.nextOf((endpoint) => !endpoint.isMute && isRight(endpoint))
    );
  }

  private nextOf(isRight: (endpoint: Endpoint) => boolean): Endpoint | undefined {
    const { all } = this;
    for (let step = 0; step < all.length; step++) {
      const index = (this.next + step) % all.length;
      const candidate = all[index];
      if (candidate === undefined || !isRight(candidate)) continue;
      this.next = (index + 1) % all.length;
      return candidate;
    }
    return undefined;
  }

  /** Not the one that was set aside last, again and again: it may be down, and the others back without anybody having asked. */
  private nextOfAll(): Endpoint {
    const index = this.next % this.all.length;
    const endpoint = this.all[index];
    if (endpoint === undefined) throw new EtcdError('Unreachable', 'there is no endpoint');
    this.next = index + 1;
    return endpoint;
  }
}

/** As `createClient` reads it, so that an address works here as it was given there. */
function originOf(address: string): string | undefined {
  return URL.canParse(address) ? new URL(address).origin : undefined;
}
