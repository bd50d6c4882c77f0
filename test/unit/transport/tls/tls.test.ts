import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { dirname, join } from 'node:path';
import { inspect } from 'node:util';
import { firstValueFrom } from 'rxjs';
import { createClient, type Client, type TlsSettings } from '../../../../src/index.js';
import { EtcdError, InvalidOptionError } from '../../../../src/errors/index.js';
import { connectionError } from '../../../../src/node/connectionError.js';
import { retryAction } from '../../../../src/transport/retryPolicy.js';
import { run } from '../../../support/etcd/index.js';
import { listenSomewhere } from '../../../support/ports.js';
import { SERVER, makeTls, type Identity, type Tls } from '../../../support/tls.js';
import { expectSilentAbout, failure, rejection } from '../support.js';

const PASSPHRASE = 'correct horse';

let tls: Tls;
let encryptedKeyFile: string;
const clients: Client[] = [];
const servers: Server[] = [];

const clientOf = (settings: TlsSettings, endpoints = 'https://127.0.0.1:1'): Client => {
  const client = createClient({ endpoints, tls: settings });
  clients.push(client);
  return client;
};
const inFolder = (name: string): string => join(dirname(tls.caFile), name);
async function file(name: string, text: string): Promise<string> {
  await writeFile(inFolder(name), text);
  return inFolder(name);
}

beforeAll(async () => {
  tls = await makeTls();
  encryptedKeyFile = inFolder('encrypted.key');
  const encrypt = ['pkcs8', '-topk8', '-in', tls.client.keyFile, '-out', encryptedKeyFile, '-passout', `pass:${PASSPHRASE}`];
  expect(await run('openssl', encrypt)).toMatchObject({ code: 0 });
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  for (const server of servers.splice(0)) server.close();
});
afterAll(() => tls.remove());

describe('invalid TLS contents are rejected by their option when the client is created, and not shown:', () => {
  /** A line of base64 from the middle of a key. */
  const secret = (): string => tls.client.key.split('\n')[1] ?? '';

  test.each<[string, () => TlsSettings | Promise<TlsSettings>, string, RegExp]>([
    ['a file that is not there', () => ({ caFile: inFolder('none.pem') }), 'tls.caFile', /received .*none\.pem \(ENOENT\)/],
    ['a folder', () => ({ caFile: dirname(tls.caFile) }), 'tls.caFile', /\(EISDIR\)/],
    ['a file without a certificate', async () => ({ caFile: await file('empty.pem', '') }), 'tls.caFile', /received no certificate/],
    ['text that is no PEM', () => ({ ca: 'my-ca' }), 'tls.ca', /received no certificate/],
    ['a key for a certificate', () => ({ ca: tls.client.key }), 'tls.ca', /received no certificate/],
    ['a certificate without its end', () => ({ ca: tls.ca.slice(0, -40) }), 'tls.ca', /received no certificate/],
    ['a second certificate without its end', () => ({ ca: tls.ca + tls.ca.slice(0, 90) }), 'tls.ca', /without its -----END line/],
    ['a certificate with a hole', () => ({ ca: tls.ca.replace(/\n.{30}/, '\n') }), 'tls.ca', /invalid certificate \(number 1\)/],
    ['a certificate for a key', () => ({ cert: tls.client.cert, key: tls.client.cert }), 'tls.key', /received no private key/],
    ['half a key', () => ({ cert: tls.client.cert, key: tls.client.key.slice(0, 120) }), 'tls.key', /received no private key/],
    [
      'another’s key',
      () => ({ certFile: tls.client.certFile, keyFile: tls.server.keyFile }),
      'tls.keyFile',
      /expected the key of the certificate in tls\.certFile/,
    ],
    ['an encrypted key', () => ({ cert: tls.client.cert, keyFile: encryptedKeyFile }), 'tls.keyFile', /set the option tls\.passphrase/],
    [
      'a passphrase that does not decrypt this key',
      () => ({ cert: tls.client.cert, keyFile: encryptedKeyFile, passphrase: 'wr0ng' }),
      'tls.passphrase',
      /the passphrase of the key in tls\.keyFile/,
    ],
  ])('%s', async (_, given, option, message) => {
    const settings = await given();
    const error = failure(() => createClient({ endpoints: 'https://a', tls: settings }));
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(error).toMatchObject({ option, message: expect.stringMatching(message) });
    expectSilentAbout(error, secret(), 'wr0ng');
  });

  test.each<[string, TlsSettings, string]>([
    ['two for one thing', { ca: 'a', caFile: 'b' }, 'tls.caFile'],
    ['a certificate without its key', { certFile: 'b' }, 'tls.keyFile'],
    ['a key without its certificate', { keyFile: 'b' }, 'tls.certFile'],
    ['an empty path', { caFile: '' }, 'tls.caFile'],
    ['an empty passphrase', { cert: 'a', key: 'b', passphrase: '' }, 'tls.passphrase'],
  ])('and %s', (_, settings, option) => {
    expect(failure(() => createClient({ endpoints: 'https://a', tls: settings }))).toMatchObject({ reason: 'InvalidOption', option });
  });
});

test('a client does not show its key, its passphrase or its password', () => {
  const client = createClient({
    endpoints: 'https://127.0.0.1:1',
    auth: { username: 'root', password: 'hunter2' },
    tls: { cert: tls.client.cert, key: tls.client.key, passphrase: PASSPHRASE },
  });
  clients.push(client);
  const shown = [inspect(client, { depth: 20, showHidden: true }), JSON.stringify(client)].join();
  for (const secret of ['hunter2', PASSPHRASE, 'PRIVATE KEY', tls.client.key.split('\n')[1] ?? '']) expect(shown).not.toContain(secret);
});

/** An HTTPS server that sends the version of an etcd in response to every request. */
async function serve({ cert, key }: Pick<Identity, 'cert' | 'key'>, demand = false): Promise<string> {
  const server = createServer({ cert, key, ca: tls.ca, requestCert: demand, rejectUnauthorized: demand }, (_, response) =>
    response.end(JSON.stringify({ etcdserver: '3.5.0', etcdcluster: '3.5.0' })),
  );
  servers.push(server);
  return `https://127.0.0.1:${await listenSomewhere(server)}`;
}
const ask = (endpoint: string, settings: TlsSettings): Promise<unknown> => firstValueFrom(clientOf(settings, endpoint).version());

describe('a server certificate is trusted', () => {
  test('by its authority, as text, bytes or a file', async () => {
    const endpoint = await serve(tls.server);
    for (const settings of [{ ca: tls.ca }, { ca: Buffer.from(tls.ca) }, { caFile: tls.caFile }]) await ask(endpoint, settings);
  });

  test('by itself, if it is self-signed', async () => {
    const [keyFile, certFile] = [inFolder('self.key'), inFolder('self.pem')];
    const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=self', '-addext', 'subjectAltName=IP:127.0.0.1'];
    expect(await run('openssl', [...made, '-keyout', keyFile, '-out', certFile])).toMatchObject({ code: 0 });
    const endpoint = await serve({ cert: await readFile(certFile, 'utf8'), key: await readFile(keyFile, 'utf8') });
    await ask(endpoint, { caFile: certFile });
    expect(await rejection(ask(endpoint, { ca: tls.ca }))).toMatchObject({ message: expect.stringContaining('it is self-signed') });
  });

  test('without any setting of the environment', async () => {
    const endpoint = await serve(tls.server);
    const { NODE_TLS_REJECT_UNAUTHORIZED: before } = process.env;
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      expect(await rejection(ask(endpoint, {}))).toMatchObject({ reason: 'TlsFailed' });
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
    }
  });

  test('only until it expires', async () => {
    const server = await tls.issue('expired', SERVER, undefined, -1);
    expect(new Date(new X509Certificate(server.cert).validTo).getTime()).toBeLessThan(Date.now());
    expect(await rejection(ask(await serve(server), { ca: tls.ca }))).toMatchObject({
      reason: 'TlsFailed',
      message: expect.stringContaining('it has expired'),
    });
  });
});

describe('a client certificate', () => {
  test('may have an encrypted key', async () => {
    const endpoint = await serve(tls.server, true);
    await ask(endpoint, { ca: tls.ca, cert: tls.client.cert, keyFile: encryptedKeyFile, passphrase: PASSPHRASE });
    expect(await rejection(ask(endpoint, { ca: tls.ca }))).toMatchObject({
      reason: 'TlsFailed',
      message: expect.stringContaining('tls.cert'),
    });
  });

  test('is used for the next connection without a restart, unless its file is half written', async () => {
    const endpoint = await serve(tls.server, true);
    const [certFile, keyFile] = [await file('rotated.pem', tls.client.cert), await file('rotated.key', tls.client.key)];
    const client = createClient({ endpoints: endpoint, keepAliveMs: 1, tls: { ca: tls.ca, certFile, keyFile } });
    clients.push(client);
    const subjects = new Set<string>();
    servers[0]?.on('secureConnection', (socket: { getPeerCertificate(): { subject: { CN: string } } }) =>
      subjects.add(socket.getPeerCertificate().subject.CN),
    );
    const next = await tls.issue('next', ['extendedKeyUsage=clientAuth']);
    const shown = async (): Promise<string> => {
      servers[0]?.closeIdleConnections();
      subjects.clear();
      await firstValueFrom(client.version());
      return [...subjects].join();
    };
    expect(await shown()).toBe('client');
    await writeFile(certFile, next.cert);
    expect(await shown()).toBe('client');
    await writeFile(keyFile, next.key.slice(0, 100));
    expect(await shown()).toBe('client');
    await writeFile(keyFile, next.key);
    expect(await shown()).toBe('next');
  });
});

describe('a later TLS failure', () => {
  const coded = (code: string): Error => Object.assign(new Error('it broke'), { code });
  const where = { rpc: 'KV.Put', endpoint: 'https://a:1' };

  test('is a rejection of the certificate only if it is named: otherwise the outcome of a write is unknown', () => {
    const refused = connectionError(coded('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'), true, where);
    const broken = connectionError(coded('ERR_SSL_SSLV3_ALERT_BAD_RECORD_MAC'), true, where);
    expect([refused.reason, retryAction(refused, 'write', true)]).toEqual(['TlsFailed', 'retryOtherEndpoint']);
    expect([broken.reason, retryAction(broken, 'write', true)]).toEqual(['ConnectionLost', 'ambiguous']);
  });

  test.each([
    [true, 'Unavailable'],
    [false, 'FailedPrecondition'],
  ])('may be transient if the server was reached before (%p: %s)', (met, code) => {
    expect(connectionError(coded('CERT_HAS_EXPIRED'), false, where, met)).toMatchObject({ reason: 'TlsFailed', code });
  });

  test('before a connection exists is TlsFailed, whatever its text', () => {
    expect(connectionError(coded('ERR_SSL_WRONG_VERSION_NUMBER'), false, where)).toMatchObject({
      reason: 'TlsFailed',
      message: expect.stringContaining('use an http:// endpoint'),
    });
    expect(connectionError(coded('ERR_SSL_NO_SHARED_CIPHER'), false, where)).toBeInstanceOf(EtcdError);
    expect(connectionError(coded('ERR_SSL_NO_SHARED_CIPHER'), false, where).message).toContain('ERR_SSL_NO_SHARED_CIPHER');
  });
});
