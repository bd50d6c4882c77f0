import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createEnvironmentInjector, runInInjectionContext } from '@angular/core';
import * as t from 'io-ts';
import { createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { lastValueFrom, type Observable } from 'rxjs';
import { Agent, EventSource } from 'undici';
import { RangeFeed, ValueFeed, type RelayMessage } from '../../examples/relay/feed.js';
import { relay } from '../../examples/relay/relay.js';
import { relayedRange, relayedValue } from '../../examples/relay/relaySignal.js';
import { createClient, type Client } from '../../src/index.js';
import { createApp } from '../support/angularApp.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { listenSomewhere } from '../support/ports.js';
import { waitFor } from '../support/waitFor.js';

const COOKIE = { cookie: 'session=good' };
const run = <T>(call: Observable<T>): Promise<T> => lastValueFrom(call);

let etcdServer: EtcdServer;
let etcd: Client;
let server: Server;
let origin: string;
const responses: ServerResponse[] = [];
const streams: Stream[] = [];

/** A stream of server-sent events, as in a page. */
class Stream {
  readonly messages: (RelayMessage & { readonly id: number })[] = [];
  private rest = '';

  constructor(readonly response: IncomingMessage) {
    response.setEncoding('utf8').on('error', () => undefined);
  }

  /** Begins to read. */
  read(): this {
    this.response.on('data', (text: string) => {
      const events = (this.rest + text).split('\n\n');
      this.rest = events.pop() ?? '';
      for (const event of events) {
        const [, id = '', data] = /^id: (\d+)\ndata: (.*)$/s.exec(event) ?? [];
        if (data !== undefined) this.messages.push({ ...(JSON.parse(data) as RelayMessage), id: Number(id) });
      }
    });
    return this;
  }

  next(what: string, wanted: (message: RelayMessage) => boolean) {
    return waitFor(what, () => this.messages.find(wanted));
  }
}

/** Opens a stream, or resolves with the status by which it is rejected. */
const open = async (path: string, headers: Record<string, string | number> = COOKIE): Promise<Stream> => {
  const response = await new Promise<IncomingMessage>((resolve, reject) => get(origin + path, { headers }, resolve).on('error', reject));
  expect(response.statusCode).toBe(200);
  const stream = new Stream(response);
  streams.push(stream);
  return stream;
};

beforeAll(async () => {
  etcdServer = await startEtcd();
});
afterAll(() => etcdServer.stop());

let put: (name: string, value: string) => Promise<void>;
let remove: (name: string) => Promise<void>;
let nameOf: (name: string) => string;
let prefix = 0;
beforeEach(async () => {
  etcd = createClient({ endpoints: etcdServer.endpoint });
  const root = `relay/${++prefix}/${Date.now()}`;
  const handler = relay({
    feeds: {
      '/config': new ValueFeed(etcd, `${root}/config`, t.type({ color: t.string })),
      '/long': new ValueFeed(etcd, `${root}/long`, t.string),
      '/services': new RangeFeed(etcd, `${root}/services/`),
    },
    mayRead: ({ headers }) => headers.cookie === COOKIE.cookie,
  });
  put = async (name, value) => void (await run(etcd.kv.put(`${root}/${name}`, value)));
  remove = async (name) => void (await run(etcd.kv.delete(`${root}/${name}`)));
  nameOf = (name) => `${root}/${name}`;
  server = createServer((request, response) => {
    responses.push(response);
    handler(request, response);
  });
  origin = `http://127.0.0.1:${await listenSomewhere(server)}`;
});
afterEach(async () => {
  for (const { response } of streams.splice(0)) response.destroy();
  responses.length = 0;
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
  await etcd.close();
});

describe('the relay', () => {
  test('rejects a page that has not signed in, and exposes only its feeds', async () => {
    const statusOf = async (path: string, headers: Record<string, string>): Promise<number> =>
      (await fetch(origin + path, { headers })).status;
    expect(await statusOf('/config', {})).toBe(401);
    expect(await statusOf('/config', { cookie: 'session=bad' })).toBe(401);
    expect(await statusOf('/', COOKIE)).toBe(404);
    expect(await statusOf('/toString', COOKIE)).toBe(404);
  });

  test('streams a value: changes, an invalid one beside the last valid one, and deletion', async () => {
    const config = (await open('/config')).read();
    await config.next('the first state', ({ status, value }) => status === 'live' && value === null);
    await put('config', '{"color":"red"}');
    const red = await config.next('red', ({ value }) => value !== null && value !== undefined);
    expect(red).toMatchObject({ status: 'live', value: { color: 'red' } });
    await put('config', '{"color":7}');
    const invalid = await config.next('invalid', ({ status }) => status === 'invalid');
    expect(invalid.error).toMatch(/color/);
    expect(invalid).not.toHaveProperty('value');
    await remove('config');
    await waitFor('the deletion', () => config.messages.at(-1)?.value === null);
    expect(config.messages.at(-1)?.status).toBe('live');
  });

  test('sends only the missed changes to a page that reconnects', async () => {
    await put('services/a', '1');
    await put('services/b', '1');
    const first = (await open('/services')).read();
    const { id, entries } = await first.next('the entries', (message) => message.entries !== undefined);
    expect(entries).toEqual({ [nameOf('services/a')]: '1', [nameOf('services/b')]: '1' });
    first.response.destroy();
    await put('services/a', '2');
    await put('services/a', '3');
    await remove('services/b');
    await put('services/c', '1');

    const back = (await open('/services', { ...COOKIE, 'last-event-id': id })).read();
    const wanted = { [nameOf('services/a')]: '3', [nameOf('services/b')]: null, [nameOf('services/c')]: '1' };
    await waitFor('all that was missed', () => {
      const missed = Object.assign({}, ...back.messages.map(({ changes }) => changes)) as Record<string, string | null>;
      return Object.keys(missed).length === 3 && missed[nameOf('services/a')] === '3';
    });
    expect(Object.assign({}, ...back.messages.map(({ changes }) => changes))).toEqual(wanted);
    expect(back.messages.filter((message) => message.entries !== undefined)).toEqual([]);

    const ids = back.messages.map((message) => message.id);
    const upToDate = (await open('/services', { ...COOKIE, 'last-event-id': Math.max(...ids) })).read();
    expect(await upToDate.next('the state', ({ status }) => status === 'live')).toEqual({ status: 'live', id: Math.max(...ids) });

    const older = (await open('/services', { ...COOKIE, 'last-event-id': 1 })).read();
    const all = await older.next('all entries', (message) => message.entries !== undefined);
    expect(all.entries).toEqual({ [nameOf('services/a')]: '3', [nameOf('services/c')]: '1' });
  });

  test('skips states for a page that does not read, and buffers at most one message for it', async () => {
    const slow = await open('/long');
    slow.response.pause();
    const [response] = responses;
    const value = (index: number): string => JSON.stringify(`${index} ${'x'.repeat(500_000)}`);
    const COUNT = 60;
    for (let index = 1; index <= COUNT; index++) await put('long', value(index));
    await waitFor('a full buffer', () => response?.writableNeedDrain === true);
    expect(response?.writableLength).toBeLessThan(2 * 520_000);
    slow.read().response.resume();
    await slow.next('the newest value', (message) => typeof message.value === 'string' && message.value.startsWith(`${COUNT} `));
    expect(slow.messages.length).toBeLessThan(COUNT / 2);
  });
});

describe('the Angular client of the relay', () => {
  test('shows a value and a range, stale while the relay is down, and catches up', async () => {
    // Node 20 has no EventSource, and a page has a cookie.
    const dispatcher = new Agent().compose(
      (dispatch) => (options, handler) => dispatch({ ...options, headers: Object.assign({}, options.headers, COOKIE) }, handler),
    );
    class PageEventSource extends EventSource {
      constructor(url: string) {
        super(url, { node: { dispatcher, reconnectionTime: 50 } });
      }
    }
    Object.assign(globalThis, { EventSource: PageEventSource });
    const part = createEnvironmentInjector([], createApp());
    await put('config', '{"color":"red"}');
    await put('services/a', '1');
    const [config, services] = runInInjectionContext(part, () => [
      relayedValue<{ color: string }>(`${origin}/config`),
      relayedRange(`${origin}/services`),
    ]);
    expect(config().status).toBe('loading');
    await waitFor('red', () => config().value?.color === 'red');
    await waitFor('a', () => services().value?.get(nameOf('services/a')) === '1');
    for (const response of responses.splice(0)) response.destroy();
    await waitFor('the loss', () => config().status === 'stale' || services().status === 'stale' || responses.length === 2);
    await put('config', '{"color":"blue"}');
    await put('services/b', '2');
    await waitFor('blue', () => config().value?.color === 'blue' && config().status === 'live');
    await waitFor('b', () => services().value?.get(nameOf('services/b')) === '2' && services().status === 'live');
    expect(services().value?.size).toBe(2);
    part.destroy();
    await waitFor('the end of the streams', () => responses.every(({ closed }) => closed));
    await dispatcher.close();
  });
});
