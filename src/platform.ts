import type { Identity } from './concurrency/context.js';
import type { ClientOptions, OptionLimits, Settings } from './options/clientOptions.js';
import type { Wire } from './transport/wire.js';

/**
 * The parts of a client that depend on where it runs: Node, or a browser. Each entry point of the package has its own;
 * everything else is the same.
 */
export interface Platform {
  /** Reads which host, process and thread this is. */
  readonly identity: () => Identity;
  /**
   * Returns what the platform cannot do. It is asked once for each client.
   *
   * @throws EtcdError `UnsupportedRuntime` if no call could work here
   */
  limits(options: ClientOptions): OptionLimits;
  /**
   * Makes the wire of a client. It connects to nothing before the first request.
   *
   * @throws InvalidOptionError that names the option whose contents cannot be used
   */
  wire(settings: Settings): Wire;
}
