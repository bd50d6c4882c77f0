import { InvalidOptionError } from '../errors/index.js';
import { captured } from '../model/captured.js';
import type { OptionKind, OptionKinds } from '../model/validate.js';
import { checkGroup, TEXT } from './checkOptions.js';

/**
 * The certificates and keys for TLS, in PEM: as text or bytes, or in files, which are read again for each connection.
 */
export interface TlsSettings {
  /**
   * The certificates to trust instead of those that Node trusts: those of authorities, or that of the server itself.
   */
  readonly ca?: string | Uint8Array;
  readonly caFile?: string;
  /**
   * The certificate for a server that requires one, followed by those between it and its authority. Goes with a key.
   */
  readonly cert?: string | Uint8Array;
  readonly certFile?: string;
  readonly key?: string | Uint8Array;
  readonly keyFile?: string;
  /** The passphrase of an encrypted key. */
  readonly passphrase?: string;
  /** The name that the server's certificate has to be for, if it is not the endpoint's host. */
  readonly serverName?: string;
}

/** The three parts that can be given in two ways. */
export type Part = 'ca' | 'cert' | 'key';
export const PARTS: readonly Part[] = ['ca', 'cert', 'key'];

const PEM: OptionKind = {
  what: 'PEM, as a string or bytes',
  is: (value) => typeof value === 'string' || value instanceof Uint8Array,
};

const KINDS: OptionKinds<TlsSettings> = {
  ca: PEM,
  caFile: TEXT,
  cert: PEM,
  certFile: TEXT,
  key: PEM,
  keyFile: TEXT,
  passphrase: TEXT,
  serverName: TEXT,
};

/**
 * Checks the form of the option `tls`. The contents of certificates and files are checked when they are used.
 *
 * @throws InvalidOptionError
 */
export function checkTls(tls: TlsSettings, endpoints: readonly string[]): TlsSettings {
  checkGroup('tls', tls, KINDS);
  if (endpoints.some((endpoint) => endpoint.startsWith('http:')))
    throw new InvalidOptionError('tls', 'expected https endpoints beside it, received http, which has no TLS; make them https');
  for (const part of PARTS)
    if (tls[part] !== undefined && tls[`${part}File`] !== undefined)
      throw new InvalidOptionError(`tls.${part}File`, `expected either it or tls.${part}, received both`);
  const [cert, key] = [givenAs('cert', tls), givenAs('key', tls)];
  if (cert === undefined && key !== undefined)
    throw new InvalidOptionError(
      `tls.${key.replace('key', 'cert')}`,
      'expected a certificate together with its key, received the key alone',
    );
  if (cert !== undefined && key === undefined)
    throw new InvalidOptionError(
      `tls.${cert.replace('cert', 'key')}`,
      'expected a key together with its certificate, received the certificate alone',
    );
  return captured({ ...tls });
}

/** Returns the name of the option that sets a part; undefined if none does. */
const givenAs = (part: 'cert' | 'key', tls: TlsSettings): string | undefined =>
  ([part, `${part}File`] as const).find((name) => tls[name] !== undefined);
