import { describe, test } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import { createClient, type Client, type ClientOptions } from '../../../src/index.js';
import { PATIENT } from '../../support/patient.js';
import { findProxy, proxiesRefused, type ProxyKind } from '../../support/proxies/find.js';
import { startProxy, type Proxy, type ProxyOptions } from '../../support/proxies/proxy.js';
import { startEtcd, type EtcdServer } from '../../support/etcd/index.js';
import { QUICK_LOGIN } from '../support.js';
import { makeTls, type Tls } from '../../support/tls.js';

export { collect } from '../watch/support/collect.js';
export { rejection } from '../support.js';

/**
 * The timeout of tests that start some twenty proxies, in milliseconds. The timeouts within the tests are shorter, and
 * name the missing state.
 */
export const PATIENCE_MS = 400_000;

const refused = proxiesRefused();

/** Describes tests with real proxies. If none can be installed, a single test has the reason in its name. */
export function describeProxies(title: string, tests: () => void): void {
  if (refused === undefined) describe(title, tests);
  else
    test(`NOT TESTED, as there is neither nginx nor HAProxy: ${title}`, async () => {
      process.stdout.write(`\nNOT TESTED: ${title}: ${refused}\n`);
      await findProxy('nginx').then(
        () => {
          throw new Error('there is one');
        },
        () => undefined,
      );
    });
}

/** An etcd, with proxies and clients that are closed with it. */
export class ProxiedEtcd {
  private readonly proxies: Proxy[] = [];
  private readonly clients: Client[] = [];

  private constructor(
    readonly server: EtcdServer,
    readonly tls: Tls,
    private readonly auth: ClientOptions['auth'],
  ) {}

  static async start({ auth = false } = {}): Promise<ProxiedEtcd> {
    const [server, tls] = await Promise.all([startEtcd({ own: true, args: QUICK_LOGIN }), makeTls()]);
    const credentials = { username: 'root', password: 'secret' };
    if (auth) {
      const client = createClient({ ...PATIENT, endpoints: server.endpoint });
      const steps = [
        client.auth.userAdd('root', { password: credentials.password }),
        client.auth.roleAdd('root'),
        client.auth.userGrantRole('root', 'root'),
        client.auth.enable(),
      ];
      for (const step of steps) await firstValueFrom<unknown>(step);
      await client.close();
    }
    return new ProxiedEtcd(server, tls, auth ? credentials : undefined);
  }

  /** Starts a proxy in front of it. */
  async proxy(kind: ProxyKind, config: string, options: Partial<ProxyOptions> = {}): Promise<Proxy> {
    const proxy = await startProxy({ kind, config, etcd: this.server.endpoint, tls: this.tls.server, ...options });
    this.proxies.push(proxy);
    return proxy;
  }

  /** Creates a client of this endpoint. */
  client(endpoint: string, options: ClientOptions = {}): Client {
    const client = createClient({
      endpoints: endpoint,
      ...(this.auth === undefined ? {} : { auth: this.auth }),
      ...(endpoint.startsWith('https:') ? { tls: { ca: this.tls.ca } } : {}),
      ...options,
    });
    this.clients.push(client);
    return client;
  }

  /** Closes the proxies and clients of a test. */
  async clear(): Promise<void> {
    await Promise.all(this.clients.splice(0).map((client) => client.close()));
    await Promise.all(this.proxies.splice(0).map((proxy) => proxy.stop()));
  }

  async stop(): Promise<void> {
    await this.clear();
    await this.server.stop();
    await this.tls.remove();
  }
}
