/**
 * Streams a config and a list of services to the pages of a site, which do not use etcd.
 *
 * Run `npx tsx examples/relay/server.ts`, then `curl -N -H 'cookie: session=demo' localhost:8080/services`.
 */
import { createServer } from 'node:http';
import * as t from 'io-ts';
import { createClient } from 'rxetcd';
import { RangeFeed, ValueFeed } from './feed.js';
import { relay } from './relay.js';

const etcd = createClient({ endpoints: process.env['ETCD_ENDPOINTS']?.split(',') ?? 'http://127.0.0.1:2379' });

/** Stands for the sessions of your site. */
const sessions = new Set(['demo']);

const handler = relay({
  feeds: {
    '/config': new ValueFeed(etcd, 'app/config', t.type({ title: t.string, color: t.string })),
    '/services': new RangeFeed(etcd, 'services/'),
  },
  mayRead: ({ headers }) => sessions.has(/(?:^|; )session=(\w+)/.exec(headers.cookie ?? '')?.[1] ?? ''),
});

createServer(handler).listen(Number(process.env['PORT'] ?? 8080));
