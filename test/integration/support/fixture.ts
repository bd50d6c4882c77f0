import { afterAll, beforeAll } from '@jest/globals';
import { createClient, type Client, type ClientOptions } from 'rxetcd';
import { isAtLeast, parseVersion } from '../../../src/transport/endpoints/version.js';
import {
  startCluster,
  startEtcd,
  type ClusterOptions,
  type EtcdCluster,
  type EtcdOptions,
  type EtcdServer,
} from '../../support/etcd/index.js';

/** Returns whether a server is of this version (`3.4`) or newer. */
export function atLeast(server: { readonly version: string }, required: string): boolean {
  const version = parseVersion(server.version);
  if (version === undefined) throw new Error(`not a version: ${server.version}`);
  return isAtLeast(version, required);
}

/** A server with a client for it, and more clients on demand. */
export interface Fixture {
  readonly server: EtcdServer;
  readonly etcd: Client;
  /** Whether the server is of this version (`3.4`) or newer. */
  has(version: string): boolean;
  /**
   * Creates another client, which is closed after the tests of the file; its server is this one unless the options name
   * other endpoints.
   */
  client(options?: ClientOptions): Client;
}

/** Starts a server before all tests of a file, and stops it after them. */
export function withEtcd(options: EtcdOptions = {}): Fixture {
  let started: EtcdServer | undefined;
  const server = (): EtcdServer => started ?? never();
  const clients = new Clients(() => [server().endpoint]);
  beforeAll(async () => {
    started = await startEtcd(options);
  });
  afterAll(async () => {
    await clients.close();
    await started?.stop();
  });
  return {
    get server() {
      return server();
    },
    get etcd() {
      return clients.first;
    },
    has: (version) => atLeast(server(), version),
    client: (more) => clients.make(more),
  };
}

/** A cluster with a client for all of its endpoints. */
export interface ClusterFixture extends Fixture {
  readonly members: readonly EtcdServer[];
}

/** Starts a cluster before all tests of a file; `server` is its first member. */
export function withCluster(options: ClusterOptions): ClusterFixture {
  let cluster: EtcdCluster | undefined;
  const members = (): readonly EtcdServer[] => cluster?.members ?? never();
  const server = (): EtcdServer => members()[0] ?? never();
  const clients = new Clients(() => members().map(({ endpoint }) => endpoint));
  beforeAll(async () => {
    cluster = await startCluster(options);
  });
  afterAll(async () => {
    await clients.close();
    await cluster?.stop();
  });
  return {
    get members() {
      return members();
    },
    get server() {
      return server();
    },
    get etcd() {
      return clients.first;
    },
    has: (version) => atLeast(server(), version),
    client: (more) => clients.make(more),
  };
}

/** Clients that tests made, which are closed after the tests. */
class Clients {
  private readonly made: Client[] = [];
  private one: Client | undefined;

  constructor(private readonly endpoints: () => readonly string[]) {}

  get first(): Client {
    return (this.one ??= this.make());
  }

  make(options: ClientOptions = {}): Client {
    const client = createClient({ endpoints: this.endpoints(), ...options });
    this.made.push(client);
    return client;
  }

  async close(): Promise<void> {
    await Promise.all(this.made.map((client) => client.close()));
  }
}

function never(): never {
  throw new Error('the server runs only while tests do');
}
