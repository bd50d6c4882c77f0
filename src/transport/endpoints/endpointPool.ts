import { EtcdError } from '../../errors/index.js';
import { addressOf, Endpoint, withScheme, type EndpointProbes } from './endpoint.js';

/** The endpoints of a cluster, picked in turn. An endpoint that failed is skipped while another one works. */
export class EndpointPool {
  private all: readonly Endpoint[] = [];
  private next = 0;

  constructor(
    /**
     * The endpoints that the user has given. These endpoints are always kept, so that an endpoint can always be picked.
     */
    private given: readonly string[],
    private readonly questions: EndpointProbes,
    /** Called whenever an endpoint is picked. */
    private readonly onUse: () => void = () => undefined,
    private readonly baseUrl?: string,
  ) {
    this.arrange([]);
  }

  get size(): number {
    return this.all.length;
  }

  get origins(): readonly string[] {
    return this.all.map(({ origin }) => origin);
  }

  /** The origins, each with its path if it has one. */
  get addresses(): readonly string[] {
    return this.all.map(({ address }) => address);
  }

  get anySetAside(): boolean {
    return this.all.some(({ isSetAside }) => isSetAside);
  }

  /** Returns whether an endpoint is still one of the client's. */
  has(endpoint: Endpoint): boolean {
    return this.all.includes(endpoint);
  }

  /**
   * Uses only these endpoints from now on, and keeps the state of the remaining ones.
   * @returns the endpoints that were removed
   */
  give(origins: readonly string[]): readonly Endpoint[] {
    this.given = origins;
    return this.arrange([]);
  }

  /**
   * Uses these endpoints in addition to those that were given.
   * @returns the endpoints that were discovered before, and no longer are
   */
  find(origins: readonly string[]): readonly Endpoint[] {
    return this.arrange(origins);
  }

  /**
   * Picks the next endpoint in turn that is not set aside. Endpoints that are set aside are checked in the background.
   * A client that is not in use sends no checks. If all endpoints are set aside, the next one that is not unresponsive
   * is picked. If all are unresponsive, the next of all endpoints is picked, without checks.
   *
   * @param waiting the endpoints at which the call waits already: picked only if no other is responsive
   */
  pick(waiting?: ReadonlySet<Endpoint>): Endpoint {
    this.onUse();
    const responsive = (waiting && this.talkingOf((endpoint) => !waiting.has(endpoint))) ?? this.talkingOf(() => true);
    // No check is needed, as every endpoint stays in use: the calls detect its state themselves.
    if (responsive === undefined) return this.nextOfAll();
    for (const endpoint of this.all) endpoint.probeIfDue();
    return responsive;
  }

  /**
   * Returns the endpoint at this address.
   * @throws EtcdError `InvalidArgument` if it is not one of the client's
   */
  at(address: string): Endpoint {
    const url = withScheme(address);
    const wanted = URL.canParse(url, this.baseUrl) ? addressOf(new URL(url, this.baseUrl)) : undefined;
    const found = this.all.find((endpoint) => endpoint.address === wanted);
    // The error does not repeat the address, which may contain a password.
    if (found === undefined)
      throw new EtcdError('InvalidArgument', `option endpoint: expected one of ${this.addresses.join(', ')}, received another endpoint`);
    return found;
  }

  private arrange(found: readonly string[]): readonly Endpoint[] {
    const before = this.all;
    const addresses = [...new Set([...this.given, ...found])];
    this.all = addresses.map((address) => before.find((endpoint) => endpoint.address === address) ?? new Endpoint(address, this.questions));
    const gone = before.filter((endpoint) => !this.has(endpoint));
    for (const endpoint of gone) endpoint.remove();
    return gone;
  }

  private talkingOf(isRight: (endpoint: Endpoint) => boolean): Endpoint | undefined {
    return (
      this.nextOf((endpoint) => !endpoint.isSetAside && isRight(endpoint)) ??
      this.nextOf((endpoint) => !endpoint.isUnresponsive && isRight(endpoint))
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

  /**
   * Picks from all endpoints in turn. The endpoint that was set aside last may be down, while the other endpoints work
   * again without having been checked.
   */
  private nextOfAll(): Endpoint {
    const index = this.next % this.all.length;
    const endpoint = this.all[index];
    if (endpoint === undefined) throw new EtcdError('Unreachable', 'there is no endpoint');
    this.next = index + 1;
    return endpoint;
  }
}
