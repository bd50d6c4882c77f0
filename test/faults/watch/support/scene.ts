import { firstValueFrom } from 'rxjs';
import { createClient, type Client, type ClientOptions, type StreamOptions } from '../../../../src/index.js';
import { startEtcd, type EtcdServer } from '../../../support/etcd/index.js';
import { startTcpProxy, type TcpProxy } from '../../../support/faultProxies/tcpProxy.js';
import { PATIENT } from '../../../support/patient.js';
import { makeTls, type Tls } from '../../../support/tls.js';

export interface SceneOptions {
  readonly tls?: boolean;
  /** Auth is on, and the user is root. */
  readonly auth?: boolean;
  /** Further flags of the server. */
  readonly args?: readonly string[];
}

/** A separate server, a proxy in front of it that causes faults, and clients. */
export interface Scene {
  readonly server: EtcdServer;
  readonly proxy: TcpProxy;
  /** Reaches the server without the proxy. */
  readonly direct: Client;
  /** Creates a client that uses the proxy, and is closed with the scene. It detects a lost stream within a second. */
  client(streams?: StreamOptions, options?: ClientOptions): Client;
  /** The options of such a client. */
  options(streams?: StreamOptions): ClientOptions;
  close(): Promise<void>;
}

/** Options by which a client detects a loss, and reconnects, soon. */
export const QUICK: StreamOptions = { heartbeatMs: 150, responseTimeoutMs: 500, initialBackoffMs: 5, maxBackoffMs: 100 };

export const ROOT = { username: 'root', password: 'secret of root' };

/**
 * Options for servers whose watches are counted. If etcd 3.5 has sent everything before it reads the end of a
 * WebSocket, it detects the end by its next progress notification, which comes soon with these.
 */
export const SOON_NOTICED: readonly string[] =
  process.env['ETCD_VERSION']?.startsWith('3.3') === true ? [] : ['--experimental-watch-progress-notify-interval=500ms'];

export async function setScene({ tls: withTls = false, auth = false, args }: SceneOptions = {}): Promise<Scene> {
  const tls: Tls | undefined = withTls ? await makeTls() : undefined;
  const server = await startEtcd({
    own: true,
    ...(args === undefined ? {} : { args }),
    ...(tls === undefined ? {} : { clientTls: { caFile: tls.caFile, certFile: tls.server.certFile, keyFile: tls.server.keyFile } }),
  });
  const proxy = await startTcpProxy(server.endpoint);
  const common: ClientOptions = {
    ...(tls === undefined ? {} : { tls: { ca: tls.ca, cert: tls.client.cert, key: tls.client.key } }),
    ...(auth ? { auth: ROOT } : {}),
  };
  const clients: Client[] = [];
  const make = (options: ClientOptions): Client => {
    const client = createClient({ ...common, ...options });
    clients.push(client);
    return client;
  };
  const direct = make({ ...PATIENT, endpoints: server.endpoint });
  if (auth) await enableAuth(direct);
  const options: Scene['options'] = (streams = {}) => ({
    ...common,
    endpoints: withTls ? proxy.endpoint.replace('http:', 'https:') : proxy.endpoint,
    requestTimeoutMs: 30_000,
    streams: { ...QUICK, ...streams },
  });
  return {
    server,
    proxy,
    direct,
    options,
    client: (streams, more = {}) => make({ ...options(streams), ...more }),
    close: async () => {
      await Promise.all(clients.map((client) => client.close()));
      await proxy.close();
      await server.stop();
      await tls?.remove();
    },
  };
}

async function enableAuth({ auth }: Client): Promise<void> {
  await firstValueFrom(auth.userAdd(ROOT.username, { password: ROOT.password }));
  await firstValueFrom(auth.roleAdd('root'));
  await firstValueFrom(auth.userGrantRole('root', 'root'));
  await firstValueFrom(auth.enable());
}
