import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { filter, firstValueFrom, interval, map, mergeMap, take, type Subscription } from 'rxjs';
import type { Socket } from 'node:net';
import { createClient, type Client, type StreamOptions } from '../../src/index.js';
import { Lane, startTcpProxy, type Lanes, type TcpProxy } from '../support/faultProxies/tcpProxy.js';
import { setScene, type Scene } from './watch/support/scene.js';
import { stopwatch } from '../support/stopwatch.js';

/** The result for a connection that is half open: nothing arrives over it, and nothing closes it. */
interface Outcome {
  /** The time until the client detected it, in milliseconds. */
  readonly afterMs: number;
  /** The bytes that the client had sent in the seconds before. */
  readonly idleBytes: number;
}

interface Use {
  readonly tls?: boolean;
  readonly transport?: StreamOptions['transport'];
  /** The work of the client besides watching. */
  readonly work?: (client: Client) => Subscription;
  /** Whether only the connection of the watch is dead. */
  readonly alone?: boolean;
}

const calling = (client: Client): Subscription =>
  interval(300)
    .pipe(mergeMap(() => client.kv.get('a')))
    .subscribe({ error: () => undefined });
const leasing = (client: Client): Subscription => client.lease({ ttl: 60 }).subscribe({ error: () => undefined });

const USES: Readonly<Record<string, Use>> = {
  'only watches, over a WebSocket': {},
  'only watches, over HTTP/2': { tls: true, transport: 'http2' },
  'only watches, over chunked answers': { transport: 'chunked' },
  'calls the endpoint': { work: calling },
  'calls the endpoint, over HTTP/2': { tls: true, transport: 'http2', work: calling },
  'calls the endpoint, over chunked answers': { transport: 'chunked', work: calling },
  'holds a lease': { work: leasing },
  'holds a lease, over HTTP/2': { tls: true, transport: 'http2', work: leasing },
  'holds a lease, over chunked answers': { transport: 'chunked', work: leasing },
  'calls the endpoint, which answers': { work: calling, alone: true },
  'holds a lease, and only the watch is dead': { work: leasing, alone: true },
};

/** How long the clients run before the connections die, so that calls have been made for a while. */
const BEFORE_MS = 2_500;
/** The maximum number of waits, each half of that time, until an idle client sends nothing. */
const BEGINS_WITHIN = 5;

const scenes = new Map<boolean, Scene>();
const proxies: TcpProxy[] = [];
const clients: Client[] = [];
const outcomes = new Map<string, Outcome>();
const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Chooses the lanes of a connection, so that those of watches can be stalled alone. */
function lanesFor(watches: Lanes, others: Lanes): (client: Socket) => Promise<Lanes> {
  return (client) =>
    new Promise((resolve) => {
      client.once('data', (chunk: Buffer) => {
        client.pause();
        client.unshift(chunk);
        resolve(/^GET \S*\/watch /.test(chunk.toString('latin1')) ? watches : others);
      });
    });
}

const lanes = (): { readonly up: Lane; readonly down: Lane } => ({ up: new Lane(() => undefined), down: new Lane(() => undefined) });

async function outcomeOf({ tls = false, transport = 'auto', work, alone = false }: Use): Promise<Outcome> {
  const scene = scenes.get(tls);
  if (scene === undefined) throw new Error('there is no such server');
  const [watches, others] = [lanes(), lanes()];
  const proxy = await startTcpProxy(scene.server.endpoint.replace('https:', 'http:'), lanesFor(watches, others));
  proxies.push(proxy);
  const endpoints = tls ? proxy.endpoint.replace('http:', 'https:') : proxy.endpoint;
  const client = createClient({ ...scene.options(), endpoints, streams: { transport } });
  clients.push(client);
  const watching = client.watchBatches('a').subscribe({ error: () => undefined });
  await firstValueFrom(client.connection$.pipe(filter(({ status }) => status === 'connected')));
  watching.add(work?.(client));
  const sent = (): number => watches.up.bytes + others.up.bytes;
  await after(BEFORE_MS / 2);
  let idleBytes = NaN;
  // On a busy machine the last of the first messages arrive late.
  for (let attempt = 1; attempt === 1 || (work === undefined && idleBytes > 0 && attempt <= BEGINS_WITHIN); attempt += 1) {
    const before = sent();
    await after(BEFORE_MS / 2);
    idleBytes = sent() - before;
  }
  const sinceDeath = stopwatch();
  for (const { up, down } of alone ? [watches] : [watches, others]) {
    up.stall();
    down.stall();
  }
  const lost = client.connection$.pipe(
    filter(({ status }) => status === 'reconnecting'),
    take(1),
    map(() => ({ afterMs: sinceDeath().awakeMs, idleBytes })),
  );
  const outcome = await firstValueFrom(lost);
  watching.unsubscribe();
  return outcome;
}

// All run at once, as they mostly wait.
beforeAll(async () => {
  for (const tls of [false, true]) scenes.set(tls, await setScene({ tls }));
  await Promise.all(Object.entries(USES).map(async ([name, use]) => outcomes.set(name, await outcomeOf(use))));
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await Promise.all(proxies.map((proxy) => proxy.close()));
  await Promise.all([...scenes.values()].map((scene) => scene.close()));
});

const names = (busy: boolean): string[] => Object.keys(USES).filter((name) => (USES[name]?.work !== undefined) === busy);

describe('a connection that is dead without having been closed is detected', () => {
  test.each(names(true))('within 5 s if the client %s', (name) => {
    expect(outcomes.get(name)?.afterMs).toBeLessThan(5_000);
  });

  test.each(names(false))('within 15 s if the client %s, and sends nothing for seconds before', (name) => {
    expect(outcomes.get(name)).toMatchObject({ idleBytes: 0 });
    expect(outcomes.get(name)?.afterMs).toBeLessThan(15_000);
  });
});
