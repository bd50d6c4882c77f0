import { EtcdError } from '../../errors/index.js';
import { addressOf, Endpoint, withScheme, type EndpointProbes } from './endpoint.js';

/** The endpoints of a cluster. They are picked in turn. An endpoint that failed is skipped while another one works. */
export class EndpointPool {
  private all: readonly Endpoint[] = [];
  private next = 0;

  constructor(
    /** The endpoints that the user has given. Discovery never removes them, so there is always an endpoint to pick. */
    private given: readonly string[],
    private readonly probes: EndpointProbes,
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

  /** The addresses of all endpoints: the origin of each, with its path if it has one. */
  get addresses(): readonly string[] {
    return this.all.map(({ address }) => address);
  }

  get anySetAside(): boolean {
    return this.all.some(({ isSetAside }) => isSetAside);
  }

  /** Returns whether an endpoint still belongs to the client. */
  has(endpoint: Endpoint): boolean {
    return this.all.includes(endpoint);
  }

  /**
   * Replaces the given endpoints, and removes the discovered ones. Endpoints that remain keep their state.
   *
   * @returns the endpoints that were removed
   */
  setGiven(origins: readonly string[]): readonly Endpoint[] {
    this.given = origins;
    return this.arrange([]);
  }

  /**
   * Uses discovered endpoints in addition to the given ones.
   *
   * @returns the endpoints that an earlier discovery had added, and that were removed now
   */
  setDiscovered(origins: readonly string[]): readonly Endpoint[] {
    return this.arrange(origins);
  }

  /**
   * Picks the next endpoint in turn that is not set aside. Endpoints that are set aside are checked in the background.
   * The checks are sent only when an endpoint is picked, so an idle client sends none. If all endpoints are set aside,
   * the next one that is not unresponsive is picked. If all are unresponsive, the next one of all endpoints is picked,
   * without checks.
   *
   * @param waiting the endpoints at which the call already waits. They are picked only if no other endpoint is
   * responsive
   */
  pick(waiting?: ReadonlySet<Endpoint>): Endpoint {
    this.onUse();
    const responsive = (waiting && this.talkingOf((endpoint) => !waiting.has(endpoint))) ?? this.talkingOf(() => true);
    // No check is needed: calls use every endpoint in turn, and detect whether it works.
    if (responsive === undefined) return this.nextOfAll();
    for (const endpoint of this.all) endpoint.probeIfDue();
    return responsive;
  }

  /**
   * Returns the endpoint at this address.
   * @throws EtcdError `InvalidArgument` if the client has no such endpoint
   */
  at(address: string): Endpoint {
    const url = withScheme(address);
    const wanted = URL.canParse(url, this.baseUrl) ? addressOf(new URL(url, this.baseUrl)) : undefined;
    const found = this.all.find((endpoint) => endpoint.address === wanted);
    // The error does not show the address, which may contain a password.
    if (found === undefined)
      throw new EtcdError('InvalidArgument', `option endpoint: expected one of ${this.addresses.join(', ')}, received another endpoint`);
    return found;
  }

  private arrange(found: readonly string[]): readonly Endpoint[] {
    const before = this.all;
    const addresses = [...new Set([...this.given, ...found])];
    this.all = addresses.map((address) => before.find((endpoint) => endpoint.address === address) ?? new Endpoint(address, this.probes));
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
   * Picks the next one of all endpoints. No endpoint is preferred: the one that failed last may be down, while the
   * others may work again.
   */
  private nextOfAll(): Endpoint {
    const index = this.next % this.all.length;
    const endpoint = this.all[index];
    if (endpoint === undefined) throw new EtcdError('Unreachable', 'there is no endpoint');
    this.next = index + 1;
    return endpoint;
  }
}
