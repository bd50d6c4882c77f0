import { describe, expect, test } from '@jest/globals';
import { firstValueFrom, Observable, of, throwError } from 'rxjs';
import { EtcdError } from '../../../src/errors/index.js';
import { type HttpRequest, type HttpResponse, lazyTransport, type Transport } from '../../../src/transport/http/transport.js';

const REQUEST: HttpRequest = { origin: 'http://a:1', method: 'GET', path: '/version', headers: {}, rpc: 'GET /version' };
const OUTCOME = { read: ({ body }: HttpResponse): string => body, recover: (failure: unknown) => throwError(() => failure) };

/** A transport that echoes each request, and counts how often it was loaded and called. */
function counted() {
  const counts = { loads: 0, exchanges: 0, released: [] as string[], renewed: [] as string[] };
  let closed = false;
  const transport: Transport = {
    exchange: ({ path }, { read }) =>
      new Observable((subscriber) => {
        counts.exchanges += 1;
        if (closed) subscriber.error(new EtcdError('ClientClosed', 'the client is closed'));
        subscriber.next(read({ status: 200, body: path }));
        subscriber.complete();
      }),
    stream: () => of({ type: 'chunk', bytes: new Uint8Array(1) }),
    duplex: () => of({ type: 'message', json: 1 }),
    release: (origin) => void counts.released.push(origin),
    renew: (origin) => void counts.renewed.push(origin),
    close: async () => void (closed = true),
  };
  const load = async (): Promise<Transport> => {
    counts.loads += 1;
    return transport;
  };
  return { counts, lazy: lazyTransport(load) };
}

describe('a transport that is loaded on first use', () => {
  test('is loaded once, at the first subscription', async () => {
    const { counts, lazy } = counted();
    const first = lazy.exchange(REQUEST, OUTCOME);
    expect(counts.loads).toBe(0);
    expect(await Promise.all([firstValueFrom(first), firstValueFrom(lazy.exchange(REQUEST, OUTCOME))])).toEqual(['/version', '/version']);
    expect(await firstValueFrom(lazy.stream(REQUEST))).toEqual({ type: 'chunk', bytes: new Uint8Array(1) });
    expect(await firstValueFrom(lazy.duplex({ ...REQUEST, transport: 'websocket', token: undefined }))).toEqual({
      type: 'message',
      json: 1,
    });
    expect(counts.loads).toBe(1);
  });

  test('continues synchronously once it is loaded', async () => {
    const { lazy } = counted();
    await firstValueFrom(lazy.exchange(REQUEST, OUTCOME));
    const seen: string[] = [];
    lazy.exchange(REQUEST, OUTCOME).subscribe((answer) => seen.push(answer));
    expect(seen).toEqual(['/version']);
  });

  test('sends no call that was unsubscribed while it was loaded', async () => {
    const { counts, lazy } = counted();
    lazy.exchange(REQUEST, OUTCOME).subscribe().unsubscribe();
    await firstValueFrom(lazy.exchange(REQUEST, OUTCOME));
    expect(counts.exchanges).toBe(1);
  });

  test('closes or renews the connections to an endpoint, if there are any', async () => {
    const { counts, lazy } = counted();
    lazy.release('http://a:1');
    lazy.renew('http://a:1');
    expect(counts).toMatchObject({ loads: 0, released: [], renewed: [] });
    await firstValueFrom(lazy.exchange(REQUEST, OUTCOME));
    lazy.release('http://a:1');
    lazy.renew('http://b:1');
    expect([counts.released, counts.renewed]).toEqual([['http://a:1'], ['http://b:1']]);
  });

  test('can be closed although it was never used', async () => {
    const { lazy } = counted();
    await lazy.close();
    await expect(firstValueFrom(lazy.exchange(REQUEST, OUTCOME))).rejects.toMatchObject({ reason: 'ClientClosed' });
  });
});
