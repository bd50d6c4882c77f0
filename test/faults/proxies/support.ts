import { describe, test } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import { createClient, type Client, type ClientOptions } from '../../../src/index.js';
import { findProxy, proxiesRefused, type ProxyKind } from '../../support/proxies/find.js';
import { startProxy, type Proxy, type ProxyOptions } from '../../support/proxies/proxy.js';
import { startEtcd, type EtcdServer } from '../../support/etcd/index.js';
import { QUICK_LOGIN } from '../support.js';
import { makeTls, type Tls } from '../../support/tls.js';

export { collect } from '../watch/support/collect.js';
export { rejection } from '../support.js';

/** Of tests that start some twenty proxies. In milliseconds. What does not come is told sooner. */
export const PATIENCE_MS = 240_000;

const refused = proxiesRefused();

/** Tests with real proxies; where there are none to be had, one test whose name says so. */
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
      const client = createClient({ endpoints: server.endpoint });
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

  /** A proxy before it. */
  async proxy(kind: ProxyKind, config: string, options: Partial<ProxyOptions> = {}): Promise<Proxy> {
    const proxy = await startProxy({ kind, config, etcd: this.server.endpoint, tls: this.tls.server, ...options });
    this.proxies.push(proxy);
    return proxy;
  }

  /** A client of this endpoint. */
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

  /** Closes what a test made. */
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
