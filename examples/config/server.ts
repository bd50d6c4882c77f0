/**
 * A web server that follows its config: `npx tsx examples/config/server.ts`. `page.ts` is a page that follows the same
 * one. Change it by `etcdctl put examples/site/one/greeting hi`.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { firstValueFrom, shareReplay, tap } from 'rxjs';
import { createClient, type ConfigUpdate } from 'rxetcd';
import { DEFAULTS, LAYERS, SiteConfig } from './siteConfig.js';

const endpoints = process.env['ETCD_ENDPOINTS']?.split(',') ?? 'http://127.0.0.1:2379';
const etcd = createClient({ endpoints });

function report({ revision, changes, rejected }: ConfigUpdate<SiteConfig>): void {
  if (rejected !== undefined) return console.log(`rejected: ${rejected.failures.join('; ')}`);
  const paths = changes.map(({ path }) => path).join(', ');
  console.log(`the config of revision ${revision}: ${paths === '' ? 'loaded' : paths}`);
}

const config$ = etcd.liveConfig(LAYERS, { codec: SiteConfig, defaults: DEFAULTS }).pipe(
  tap((update) => report(update)),
  shareReplay({ bufferSize: 1, refCount: true }),
);

let config = DEFAULTS;
const following = config$.subscribe({
  next: (update) => ({ config } = update),
  error: (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
});

// The server starts once it knows its config. Later ones take effect with the next request.
await firstValueFrom(config$);
const server = createServer((_, response) => {
  response.statusCode = config.maintenance ? 503 : 200;
  response.end(config.maintenance ? 'The site is being repaired.\n' : `${config.greeting}\n`);
});
server.listen(Number(process.env['PORT'] ?? 8080), '127.0.0.1');
await once(server, 'listening');
const address = server.address();
console.log(`http://127.0.0.1:${typeof address === 'object' ? address?.port : address}`);

process.once('SIGTERM', () => {
  following.unsubscribe();
  server.close();
  void etcd.close();
});
