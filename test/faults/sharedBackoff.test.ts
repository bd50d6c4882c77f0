import { createServer, type Server, type Socket } from 'node:net';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { EMPTY, catchError, firstValueFrom, merge, mergeMap, repeat, timer, type Observable } from 'rxjs';
import type { Client } from '../../src/index.js';
import { retryBackoff } from '../../operators/index.js';
import { listenSomewhere } from '../support/ports.js';
import { Clients } from './support.js';
import { waitFor } from '../support/waitFor.js';

/** Accepts connections and closes them: at once, or after the first bytes. */
interface Closing {
  readonly endpoint: string;
  readonly port: number;
  accepted: number;
  close(): Promise<void>;
}

async function startClosing(when: 'at once' | 'after the request'): Promise<Closing> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    closing.accepted += 1;
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    if (when === 'at once') socket.destroy();
    else socket.once('data', () => socket.destroy());
  });
  const port = await listenSomewhere(server);
  const closing: Closing = {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    accepted: 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
  return closing;
}

/**
 * The highest number of connections to an endpoint within this time, for any calls, and the lowest number that must be
 * reached at some time.
 */
const MOST = 30;
const WITHIN_MS = 4_000;
const AT_LEAST = 4;

const times = <T>(count: number, make: (index: number) => Observable<T>): Observable<T> =>
  merge(...Array.from({ length: count }, (_, index) => make(index)));
/** A failed call is repeated at once, as in a careless program. */
const again = <T>(call: Observable<T>): Observable<T> =>
  call.pipe(
    catchError(() => EMPTY),
    repeat(),
  );

const KINDS: readonly (readonly [string, (client: Client) => Observable<unknown>])[] = [
  ['1 live range', (client) => client.live({ prefix: 'a/' })],
  ['10 live ranges', (client) => times(10, (index) => client.live({ prefix: `${index}/` }))],
  ['100 live ranges', (client) => times(100, (index) => client.live({ prefix: `${index}/` }))],
  [
    '100 live ranges that begin one after the other',
    (client) => timer(0, 20).pipe(mergeMap((index) => client.live({ prefix: `${index}/` }))),
  ],
  ['100 watches', (client) => times(100, (index) => client.watch({ prefix: `${index}/` }))],
  ['100 leases', (client) => times(100, () => client.lease({ ttl: 5, onLost: 'regrant' }))],
  ['100 elections', (client) => times(100, (index) => client.election(`e${index}`).leader$)],
  ['100 locks', (client) => times(100, (index) => client.lock(`l${index}`, { ttl: 5 }).pipe(retryBackoff()))],
  ['100 reads that are repeated at once', (client) => times(100, (index) => again(client.kv.get(`r${index}`)))],
  ['100 writes that are repeated at once', (client) => times(100, (index) => again(client.kv.put(`r${index}`, '')))],
  [
    'all of them',
    (client) =>
      merge(
        times(20, (index) => client.live({ prefix: `${index}/` })),
        times(20, (index) => client.watch({ prefix: `${index}/` })),
        times(20, () => client.lease({ ttl: 5, onLost: 'regrant' })),
        times(20, (index) => client.election(`e${index}`).leader$),
        times(20, (index) => again(client.kv.get(`r${index}`))),
      ),
  ],
];

describe.each(['at once', 'after the request'] as const)(
  'an endpoint that accepts and closes connections %s receives few connections of a client',
  (when) => {
    /** The number of connections per {@link WITHIN_MS}, by kind of call. */
    const accepted = new Map<string, number>();

    // All kinds run at the same time, as each takes equally long.
    beforeAll(async () => {
      const clients = new Clients();
      const each = await Promise.all(
        KINDS.map(async ([name, use]) => {
          const closing = await startClosing(when);
          const used = use(clients.make({ endpoints: closing.endpoint })).subscribe({ error: () => undefined });
          return { name, closing, used };
        }),
      );
      const begun = performance.now();
      await firstValueFrom(timer(WITHIN_MS));
      const elapsedMs = performance.now() - begun;
      for (const { name, closing } of each) accepted.set(name, (closing.accepted * WITHIN_MS) / elapsedMs);
      for (const { name, closing } of each) await waitFor(`${name} is tried again`, () => closing.accepted >= AT_LEAST);
      for (const { used } of each) used.unsubscribe();
      await clients.close();
      await Promise.all(each.map(({ closing }) => closing.close()));
    });

    test.each(KINDS)('for %s', (name) => {
      expect(accepted.get(name)).toBeLessThanOrEqual(MOST);
    });
  },
);
