import type { Client, ClientOptions } from '../../../src/index.js';
import type { Member } from './member.js';
import type { RotatingTls } from './rotatingTls.js';

export interface FaultClusterOptions {
  readonly version?: string | undefined;
  /** Default 3. */
  readonly size?: number;
  /** Clients reach it by TLS, and show a certificate. Members reach each other without: the proxies between them read along. */
  readonly tls?: boolean;
  /** Auth is on, and the user is root. */
  readonly auth?: boolean;
  /** How long a token is good that nobody shows, in seconds. */
  readonly tokenTtl?: number;
  /** Further flags. */
  readonly args?: readonly string[];
}

/** Members that know each other, as processes, with a proxy before each port. Ends with the process that started it. */
export interface FaultCluster {
  readonly version: string;
  readonly members: readonly Member[];
  /** Where clients reach it: the proxies. Members advertise these, too. */
  readonly endpoints: readonly string[];
  readonly tls: RotatingTls | undefined;
  /** What a client needs beside the endpoints. */
  readonly access: Pick<ClientOptions, 'tls' | 'auth'>;
  /** Reaches the members themselves: sees what is really there. */
  readonly direct: Client;
  /** Who leads, once exactly one does: one that was parted from the others may think so for a while. */
  leader(): Promise<Member>;
  /** Resolves when every member runs and knows a leader, and one leads. */
  settled(): Promise<void>;
  /** Takes a member out of the cluster, with its data, and lets it join anew. */
  wipe(member: Member): Promise<void>;
  /** Ends what holds anything back. */
  heal(): void;
  stop(): Promise<void>;
}
