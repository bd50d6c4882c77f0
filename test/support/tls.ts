import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './etcd/index.js';

/** A certificate with its key: as files for a server, and as PEM for a client. */
export interface Identity {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority of a test, and the certificates that it signed. */
export interface Tls {
  readonly caFile: string;
  readonly ca: string;
  /**
   * Valid for 127.0.0.1, ::1 and localhost. etcd's gateway shows it to etcd itself, so it is also a client certificate.
   */
  readonly server: Identity;
  readonly client: Identity;
  readonly issue: Authority['issue'];
  remove(): Promise<void>;
}

const DAYS = ['-days', '2'];
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Creates certificates in a separate folder, with the program openssl. */
export async function makeTls(): Promise<Tls> {
  const folder = await mkdtemp(join(tmpdir(), 'rxetcd-tls-'));
  try {
    const { caFile, ca, issue } = await makeAuthority(folder, 'ca');
    const server = await issue('server', SERVER);
    const client = await issue('client', CLIENT);
    return { caFile, ca, server, client, issue, remove: () => rm(folder, { recursive: true, force: true }) };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/**
 * The uses of a certificate. etcd's gateway shows that of the server to etcd itself, so it is also a client
 * certificate.
 */
export const SERVER = ['subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost', 'extendedKeyUsage=serverAuth,clientAuth'];
export const CLIENT = ['extendedKeyUsage=clientAuth'];

/** A signer of certificates. */
export interface Authority {
  readonly caFile: string;
  readonly ca: string;
  /**
   * Creates a key and its certificate, in files of this name. The subject is the name, unless given. It is valid for
   * two days, or the given number.
   */
  readonly issue: (name: string, extensions: readonly string[], subject?: string, days?: number) => Promise<Identity>;
}

/** Creates an authority whose files, and those that it signs, are in a folder. */
export async function makeAuthority(folder: string, title: string): Promise<Authority> {
  const caFile = join(folder, `${title}.pem`);
  const caKey = join(folder, `${title}.key`);
  await openssl('req', '-x509', ...NEW_KEY, ...DAYS, '-subj', `/CN=rxetcd test ${title}`, '-keyout', caKey, '-out', caFile);
  return {
    caFile,
    ca: await readFile(caFile, 'utf8'),
    issue: async (name, extensions, subject = `/CN=${name}`, days = 2) => {
      const path = (ending: string): string => join(folder, `${name}.${ending}`);
      await writeFile(path('ext'), extensions.join('\n'));
      await openssl('req', '-new', ...NEW_KEY, '-subj', subject, '-keyout', path('key'), '-out', path('csr'));
      const signing = ['-CA', caFile, '-CAkey', caKey, '-CAserial', path('srl'), '-CAcreateserial'];
      await openssl('x509', '-req', '-in', path('csr'), ...signing, '-days', String(days), '-extfile', path('ext'), '-out', path('pem'));
      const [cert, key] = await Promise.all([readFile(path('pem'), 'utf8'), readFile(path('key'), 'utf8')]);
      return { certFile: path('pem'), keyFile: path('key'), cert, key };
    },
  };
}

async function openssl(...args: string[]): Promise<void> {
  const { code, stderr } = await run('openssl', args).catch((cause: unknown) => {
    throw new Error('Tests of TLS need the program openssl (package openssl) on PATH, to make certificates.', { cause });
  });
  if (code !== 0) throw new Error(`openssl ${args[0] ?? ''} ended with ${code}: ${stderr}`);
}
