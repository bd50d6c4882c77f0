import { PLATFORM_ID, TransferState } from '@angular/core';
import { expect, test } from '@jest/globals';
import * as t from 'io-ts';
import { combineLiveSignal, liveConfigSignal, liveSignal, liveValueSignal } from 'rxetcd/angular';
import { waitFor } from '../../support/waitFor.js';
import { withApp } from './support.js';

let carried = new TransferState();
const state = { provide: TransferState, useFactory: () => carried };
const onServer = withApp({ provide: PLATFORM_ID, useValue: 'server' }, state);
const inPage = withApp({ provide: PLATFORM_ID, useValue: 'browser' }, state);

const Color = t.type({ color: t.string });
/** A schema of another library, which changes its input. */
const Upper = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value: unknown) => (Color.is(value) ? { value: value.color.toUpperCase() } : { issues: [{ message: 'no color' }] }),
  },
} as const;

/** Runs the same code on a server and then in a page, with the transferred state. Returns both signals. */
async function carriedOver<T>(show: (app: ReturnType<typeof inPage>) => () => T) {
  carried = new TransferState();
  const server = onServer();
  server.server.put('a/config', '{"color":"red"}');
  const rendered = server.run(() => show(server));
  await server.stable();
  const page = inPage();
  // The server of the page does not respond yet.
  page.server.disconnect();
  return { rendered: rendered(), page, shown: page.run(() => show(page)) };
}

test('a page starts with the value of the server, and shows its own as soon as it has one', async () => {
  const { rendered, page, shown } = await carriedOver(() => liveValueSignal('a/config', { codec: Color }));
  expect(rendered).toEqual({ status: 'live', value: { color: 'red' }, error: undefined });
  expect(shown()).toEqual(rendered);
  page.server.put('a/config', '{"color":"blue"}');
  page.server.connect();
  await waitFor('its own value', () => shown().value?.color === 'blue');
  // The transferred state is used once.
  expect(page.run(() => liveValueSignal('a/config', { codec: Color }))().value?.color).not.toBe('red');
});

test('the transferred value is stale while the page cannot reach a server', async () => {
  const { shown } = await carriedOver(() => liveValueSignal('a/config', { codec: Color }));
  await waitFor('a state with an error', () => shown().error !== undefined);
  expect(shown()).toMatchObject({ status: 'stale', value: { color: 'red' } });
});

test('the transferred value remains the last valid one if the first value of the page is invalid', async () => {
  const { page, shown } = await carriedOver(() => liveValueSignal('a/config', { codec: Color }));
  page.server.put('a/config', 'not JSON');
  page.server.connect();
  await waitFor('an invalid value', () => shown().status === 'invalid');
  expect(shown().value).toEqual({ color: 'red' });
});

test('several parts are transferred together, each decoded once by its codec', async () => {
  const { rendered, shown } = await carriedOver(() =>
    combineLiveSignal({
      upper: { key: 'a/config', codec: Upper },
      pair: { key: 'a/config' },
      none: { key: 'none' },
      all: { prefix: 'a/' },
    }),
  );
  expect(rendered.value).toMatchObject({ upper: 'RED', pair: { value: '{"color":"red"}' }, none: undefined });
  expect(shown()).toEqual({ ...rendered, value: { ...rendered.value, all: new Map(rendered.value?.all) } });
});

test('a config is transferred as its codec decoded it', async () => {
  const codec = t.type({ name: t.string, port: t.number, config: Color, more: t.string });
  const { rendered, shown } = await carriedOver(({ server }) => {
    for (const [key, value] of Object.entries({ name: '7', port: '8' })) server.put(`a/${key}`, value);
    return liveConfigSignal('a/', { codec, defaults: { more: '9' } });
  });
  expect(rendered).toMatchObject({ status: 'live', value: { name: '7', port: 8, config: { color: 'red' }, more: '9' } });
  expect(shown()).toEqual(rendered);
});

test.each<[string, Parameters<typeof carriedOver<unknown>>[0]]>([
  ['with the option off', () => liveSignal({ prefix: 'a/' }, { transfer: false })],
  ['of a namespace without a name', ({ etcd }) => liveSignal({ prefix: 'config' }, { etcd: etcd.namespace('a/') })],
])('nothing is transferred to a signal %s', async (_, show) => {
  const { rendered, shown } = await carriedOver(show);
  expect([rendered, shown()]).toMatchObject([{ status: 'live' }, { status: 'loading' }]);
});

test('a named namespace transfers its state, also to a reactive signal', async () => {
  const { rendered, shown } = await carriedOver(({ etcd }) =>
    liveSignal(() => ({ prefix: 'config' }), { etcd: etcd.namespace('a/'), transfer: 'the namespace a' }),
  );
  expect([...(rendered.value?.keys() ?? [])]).toEqual(['config']);
  // The effect has not run yet.
  expect([...(shown().value?.keys() ?? [])]).toEqual(['config']);
});

test('a value that the codec of the page rejects is not shown', async () => {
  let reads = 0;
  const OnServerOnly = new t.Type<string>('once', t.string.is, (value, context) => {
    if (reads++ > 0) throw new Error('not in a page');
    return Color.is(value) ? t.success(value.color) : t.failure(value, context);
  }, t.identity); // prettier-ignore
  const { rendered, shown } = await carriedOver(() => liveValueSignal('a/config', { codec: OnServerOnly }));
  expect([rendered.value, shown().status]).toEqual(['red', 'loading']);
});
