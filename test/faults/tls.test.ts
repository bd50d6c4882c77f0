import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, lastValueFrom, type Observable } from 'rxjs';
import type { Client, ClientOptions, TlsSettings } from '../../src/index.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { startTcpProxy, type TcpProxy } from '../support/faultProxies/tcpProxy.js';
import { PATIENT } from '../support/patient.js';
import { SERVER, makeTls, type Identity, type Tls } from '../support/tls.js';
import { Clients, rejection } from './support.js';
import { collect } from './watch/support/collect.js';
import { stopwatch } from '../support/stopwatch.js';
import { waitFor } from '../support/waitFor.js';

/** Well below the deadline of a call, and below the pauses between attempts. */
/** The timeout of the calls: a minute. */
const SOON_MS = 5_000;

let ours: Tls;
/** Another authority that the server trusts for its clients, and one that it does not trust. */
let others: Tls;
let strangers: Tls;
let files: string;
/** The files that the server reads at each handshake. */
let serverFiles: Pick<Identity, 'certFile' | 'keyFile'>;
let server: EtcdServer;
let proxy: TcpProxy;
const clients = new Clients();

const path = (name: string): string => join(files, name);

/** Writes a certificate and its key to the files that the server, or a client, reads. */
async function install({ certFile, keyFile }: Identity, to: Pick<Identity, 'certFile' | 'keyFile'>): Promise<void> {
  await copyFile(certFile, to.certFile);
  await copyFile(keyFile, to.keyFile);
}

beforeAll(async () => {
  [ours, others, strangers, files] = await Promise.all([makeTls(), makeTls(), makeTls(), mkdtemp(join(tmpdir(), 'rxetcd-tls-files-'))]);
  const caFile = path('ca.pem');
  await writeFile(caFile, ours.ca + others.ca);
  serverFiles = { certFile: path('server.pem'), keyFile: path('server.key') };
  await install(ours.server, serverFiles);
  server = await startEtcd({ own: true, clientTls: { ...serverFiles, caFile, clientCertAuth: true } });
  proxy = await startTcpProxy(server.endpoint);
});
afterEach(() => clients.close());
afterAll(async () => {
  await proxy.close();
  await server.stop();
  await Promise.all([ours.remove(), others.remove(), strangers.remove(), rm(files, { recursive: true, force: true })]);
});

const clientOf = (tls: TlsSettings, options: ClientOptions = {}): Client =>
  clients.make({ endpoints: proxy.endpoint.replace('http:', 'https:'), tls, ...options });
const inText = (identity: Identity = ours.client) => ({ ca: ours.ca, cert: identity.cert, key: identity.key });

describe('a rejected certificate fails reads, writes and watches soon, and names the endpoint and the reason:', () => {
  test.each<[string, () => TlsSettings, RegExp]>([
    ['the server’s, by an authority that is not trusted', () => ({ ...inText(), ca: others.ca }), /authority is not trusted; .*tls\.ca/],
    [
      'the server’s, of an authority that Node does not trust',
      () => ({ cert: ours.client.cert, key: ours.client.key }),
      /authority is not trusted/,
    ],
    ['the server’s, for another name', () => ({ ...inText(), serverName: 'etcd.example' }), /another name.*etcd\.example.*DNS:localhost/],
    ['the client’s, which is missing', () => ({ ca: ours.ca }), /requires a valid client certificate: .*tls\.cert/],
    ['the client’s, by an authority that the server does not trust', () => inText(strangers.client), /a valid client certificate/],
  ])('%s', async (_, tls, message) => {
    const client = clientOf(tls(), { requestTimeoutMs: 60_000 });
    const calls: readonly Observable<unknown>[] = [
      client.kv.get('a'),
      client.kv.put('a', 'b'),
      client.watch('a'),
      client.watch('a', { startRevision: 1 }),
      client.live('a'),
    ];
    const elapsed = stopwatch();
    const errors = await Promise.all(calls.map((call) => rejection(firstValueFrom(call))));
    expect(elapsed().awakeMs).toBeLessThan(SOON_MS);
    for (const error of errors) {
      expect(error).toMatchObject({
        reason: 'TlsFailed',
        code: 'FailedPrecondition',
        endpoint: proxy.endpoint.replace('http:', 'https:'),
        message: expect.stringMatching(message),
      });
    }
  });

  test('another endpoint is used if its certificate is valid', async () => {
    const elsewhere = await startEtcd({
      own: true,
      clientTls: { caFile: others.caFile, certFile: others.server.certFile, keyFile: others.server.keyFile },
    });
    try {
      const client = clientOf(inText(), { endpoints: [elsewhere.endpoint, server.endpoint] });
      await firstValueFrom(client.watchBatches('elsewhere', { startRevision: 1 }));
      for (let n = 0; n < 4; n++) await firstValueFrom(client.kv.put('elsewhere', String(n)));
      const pinned = rejection(firstValueFrom(client.kv.get('elsewhere', { endpoint: elsewhere.endpoint })));
      expect(await pinned).toMatchObject({ reason: 'TlsFailed', endpoint: elsewhere.endpoint });
    } finally {
      await elsewhere.stop();
    }
  });
});

describe('http and https that are mixed up are reported:', () => {
  test('http to a server that speaks TLS', async () => {
    const error = await rejection(firstValueFrom(clients.make({ endpoints: proxy.endpoint }).kv.get('a')));
    expect(error).toMatchObject({ reason: 'ConnectionLost', message: expect.stringContaining('use an https:// endpoint') });
  });
});

describe.each(['websocket', 'http2', 'chunked'] as const)('over %s', (transport) => {
  const streams = { transport, heartbeatMs: 150, responseTimeoutMs: 2_000, initialBackoffMs: 5, maxBackoffMs: 50 };
  /** The files that a client reads for each connection. */
  let clientFiles: { caFile: string; certFile: string; keyFile: string };

  beforeEach(async () => {
    clientFiles = { caFile: path('client-ca.pem'), certFile: path('client.pem'), keyFile: path('client.key') };
    await install(ours.server, serverFiles);
    await copyFile(ours.caFile, clientFiles.caFile);
    await install(ours.client, clientFiles);
  });

  test('after a server certificate of another authority, calls fail, watches wait, and both recover when the CA file has it', async () => {
    const client = clientOf(clientFiles, { streams });
    const direct = clients.make({ ...PATIENT, endpoints: server.endpoint, tls: { ...inText(), ca: ours.ca + others.ca } });
    const watch = collect(client.watch(`rotated/${transport}`));
    await firstValueFrom(client.watchBatches(`rotated/${transport}`));
    await install(others.server, serverFiles);
    const states = collect(client.connection$);
    // Without the restart the server would resume old sessions.
    await server.restart();
    await waitFor('the watch has found out', () =>
      states.values.some((state) => state.status === 'reconnecting' && state.cause.reason === 'TlsFailed'),
    );
    await firstValueFrom(direct.kv.put(`rotated/${transport}`, 'meanwhile'));
    expect(await rejection(lastValueFrom(client.kv.get('a')))).toMatchObject({ reason: 'TlsFailed', code: 'Unavailable' });

    // A file that is written only in part is not used.
    await writeFile(clientFiles.caFile, others.ca.slice(0, others.ca.length / 2));
    expect(await rejection(lastValueFrom(client.kv.get('a')))).toMatchObject({ reason: 'TlsFailed' });
    expect([watch.error, watch.values]).toEqual([undefined, []]);

    await copyFile(others.caFile, clientFiles.caFile);
    await waitFor('the watch goes on', () => watch.values.length > 0 || watch.error !== undefined);
    expect(watch.error).toBeUndefined();
    expect(watch.values.map(({ kv }) => kv.value)).toEqual(['meanwhile']);
    expect((await lastValueFrom(client.kv.get(`rotated/${transport}`)))?.value).toBe('meanwhile');
  });

  test('after a new client certificate, replaced one file at a time, connections use it', async () => {
    await install(strangers.client, clientFiles);
    const client = clientOf(clientFiles, { streams });
    expect(await rejection(firstValueFrom(client.kv.get('a')))).toMatchObject({ reason: 'TlsFailed' });
    await copyFile(ours.client.certFile, clientFiles.certFile);
    expect(await rejection(firstValueFrom(client.kv.get('a')))).toMatchObject({ reason: 'TlsFailed' });
    await copyFile(ours.client.keyFile, clientFiles.keyFile);
    await firstValueFrom(client.kv.put('a', 'b'));
    await firstValueFrom(client.watchBatches('a'));
    expect(await firstValueFrom(client.connection$)).toMatchObject({ status: 'connected', transport });

    // The file is invalid from now on, and the last valid contents stay in use.
    await Promise.all(Object.values(clientFiles).map((file) => writeFile(file, 'not PEM')));
    proxy.cut();
    await firstValueFrom(client.kv.get('a'));
    await firstValueFrom(client.watchBatches('a', { startRevision: 1 }));
  });
});

test('a certificate for a host name is accepted for that name, by every transport', async () => {
  const named = await ours.issue(
    'named',
    SERVER.map((line) => line.replace(/^subjectAltName=.*/, 'subjectAltName=DNS:etcd.example')),
  );
  await install(named, serverFiles);
  try {
    for (const transport of ['websocket', 'http2', 'chunked'] as const) {
      const client = clientOf({ ...inText(), serverName: 'etcd.example' }, { streams: { transport } });
      await firstValueFrom(client.kv.put('a', 'b'));
      await firstValueFrom(client.watchBatches('a'));
      expect(await firstValueFrom(client.connection$)).toMatchObject({ status: 'connected', transport });
    }
  } finally {
    await install(ours.server, serverFiles);
  }
});
