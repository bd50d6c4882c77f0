import { asyncScheduler } from 'rxjs';
import { authRpcs } from '../../codec/auth.js';
import { requestText } from '../../codec/message.js';
import type { Rpc } from '../../codec/descriptors.js';
import { ANYTHING, type OptionKind, type OptionKinds, WHOLE, wholeNumber } from '../../model/validate.js';
import { checkGroup, TEXT } from '../../options/connectionOptions.js';
import { parseVersion } from '../../transport/endpoints/version.js';
import { TEST_VERSION } from '../createTestEtcd.js';
import { Network } from '../network.js';
import { createStore, type EtcdStore, storeVersion } from '../store/index.js';
import { TestServer } from '../testServer.js';
import { GatewayServer } from './gatewayServer.js';

/** The options of {@link startTestServer}. */
export interface TestServerOptions {
  /**
   * The port of the first member. Further members have the following ports. The default is 0, which chooses a free port
   * for each member.
   */
  readonly port?: number;
  /** The address on which the server listens. The default is `127.0.0.1`, which no other machine can reach. */
  readonly host?: string;
  /** The version of etcd to imitate, such as `3.4` or `3.5.30`. The default is `3.5`. */
  readonly version?: string;
  /** The number of members. They share one store. The default is 1. */
  readonly members?: number;
  /** The size of the store in bytes above which writes fail with `NoSpace`. The default is 2 GiB. */
  readonly quotaBytes?: number;
  /** A user who becomes an administrator. If this option is set, auth is enabled. By default auth is disabled. */
  readonly auth?: { readonly username: string; readonly password: string };
}

const NEEDED_TEXT: OptionKind = { ...TEXT, required: true };
const OPTIONS: OptionKinds<TestServerOptions> = {
  port: wholeNumber(0, 65_535),
  host: TEXT,
  version: TEST_VERSION,
  members: WHOLE,
  quotaBytes: WHOLE,
  auth: ANYTHING,
};

/** An etcd in memory that other processes can reach. */
export interface RunningTestServer {
  /** The endpoint of the first member, such as `http://127.0.0.1:45127`. */
  readonly endpoint: string;
  /**
   * The object with which a test controls etcd: reads, writes and faults. `server.endpoints` has the endpoints of all
   * members.
   */
  readonly server: TestServer;
  /** Breaks all connections, and frees the ports. */
  close(): Promise<void>;
}

/**
 * Starts an etcd in memory with etcd's JSON gateway, on a port of this machine. The gateway supports HTTP with chunked
 * streams, and WebSockets. The server is for tests of other processes, such as a page in a browser. Its data are not
 * durable.
 *
 * @throws InvalidOptionError that names the invalid option, such as `port` if the port is in use
 *
 * ```ts
 * const { endpoint, server, close } = await startTestServer();
 * server.put('app/color', 'red');
 * const etcd = createClient({ endpoints: endpoint });
 * etcd.kv.get('app/color').subscribe((kv) => console.log(kv?.value));
 * // Logs: red
 * ```
 */
export async function startTestServer(options: TestServerOptions = {}): Promise<RunningTestServer> {
  const { port = 0, host = '127.0.0.1', version = '3.5', members = 1, quotaBytes, auth } = checkGroup('', options, OPTIONS);
  const login = auth && checkGroup('auth', auth, { username: NEEDED_TEXT, password: NEEDED_TEXT });
  // A minor version stands for one of its patch releases. The option was checked, so its value is a valid version.
  const full = parseVersion(storeVersion(version).text);
  if (full === undefined) throw new Error(`${version} is not a version`);
  const gateways: GatewayServer[] = [];
  const closeAll = (): Promise<unknown> => Promise.all(gateways.map((gateway) => gateway.close()));
  const endpoints: string[] = [];
  try {
    for (let index = 0; index < members; index += 1) {
      const gateway = new GatewayServer(full);
      endpoints.push(await gateway.listen({ host, port: port === 0 ? 0 : port + index }));
      gateways.push(gateway);
    }
  } catch (error) {
    await closeAll();
    throw error;
  }
  const store = createStore({
    version,
    members,
    endpoints,
    now: () => asyncScheduler.now(),
    ...(quotaBytes === undefined ? {} : { quotaBytes }),
  });
  const network = new Network(store, 0);
  for (const [index, gateway] of gateways.entries()) {
    const member = network.members[index];
    if (member !== undefined) gateway.serve(network, member);
  }
  if (login !== undefined) enableAuth(store, login);
  const server = new TestServer(network);
  return {
    endpoint: endpoints[0] ?? '',
    server,
    close: async () => {
      await server.close();
      await closeAll();
    },
  };
}

/**
 * Creates a user with all permissions, and enables auth. To enable auth, etcd also requires a user `root`, so this user
 * is created as well.
 */
function enableAuth(store: EtcdStore, { username, password }: NonNullable<TestServerOptions['auth']>): void {
  const call = <In>(rpc: Rpc<In, unknown>, request: In): void => void store.call(rpc, requestText(rpc, request), { isTrusted: true });
  call(authRpcs.roleAdd, { name: 'root' });
  for (const name of new Set(['root', username])) {
    call(authRpcs.userAdd, { name, password });
    call(authRpcs.userGrantRole, { user: name, role: 'root' });
  }
  call(authRpcs.enable, {});
}
