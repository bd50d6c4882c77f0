import type { Client, ClientOptions } from '../../../src/index.js';
import type { Member } from './member.js';
import type { RotatingTls } from './rotatingTls.js';

export interface FaultClusterOptions {
  readonly version?: string | undefined;
  /** Default 3. */
  readonly size?: number;
  /**
   * Whether clients use TLS, and show a certificate. Members do not use TLS among each other, as the proxies between
   * them read the requests.
   */
  readonly tls?: boolean;
  /** Auth is on, and the user is root. */
  readonly auth?: boolean;
  /** The lifetime of an unused token, in seconds. */
  readonly tokenTtl?: number;
  /** Further flags. */
  readonly args?: readonly string[];
}

/**
 * Members of a cluster as processes, with a proxy in front of each port. The cluster ends with the process that started
 * it.
 */
export interface FaultCluster {
  readonly version: string;
  readonly members: readonly Member[];
  /** The endpoints for clients, which are proxies. Members advertise these, too. */
  readonly endpoints: readonly string[];
  readonly tls: RotatingTls | undefined;
  /** The options of a client besides the endpoints. */
  readonly access: Pick<ClientOptions, 'tls' | 'auth'>;
  /** A client that reaches the members without the proxies. */
  readonly direct: Client;
  /** Resolves with the leader once there is exactly one: a partitioned member may believe for a while that it leads. */
  leader(): Promise<Member>;
  /** Resolves when every member runs and knows a leader, and one leads. */
  settled(): Promise<void>;
  /** Removes a member from the cluster, with its data, and lets it rejoin. */
  wipe(member: Member): Promise<void>;
  /** Ends all faults on connections. */
  heal(): void;
  stop(): Promise<void>;
}
