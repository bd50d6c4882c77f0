import { isRecord } from '../codec/message.js';
import { InvalidOptionError } from '../errors/index.js';
import { captured } from '../model/captured.js';
import { typeName } from '../model/validate.js';
import { onlyKnown, text } from './optionValidators.js';

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

/** A record, so that the compiler reports an option that is missing here. */
const KNOWN: Readonly<Record<keyof TlsSettings, true>> = {
  ca: true,
  caFile: true,
  cert: true,
  certFile: true,
  key: true,
  keyFile: true,
  passphrase: true,
  serverName: true,
};
const NAMES = Object.keys(KNOWN);

/**
 * Checks the form of the option `tls`. The contents of certificates and files are checked when they are used.
 *
 * @throws InvalidOptionError
 */
export function checkTls(tls: unknown, endpoints: readonly string[]): TlsSettings {
  if (!isRecord(tls)) throw new InvalidOptionError('tls', `{ ${NAMES.join(', ')} }, not ${typeName(tls)}`);
  onlyKnown('tls.', tls, NAMES);
  if (endpoints.some((endpoint) => endpoint.startsWith('http:')))
    throw new InvalidOptionError('tls', 'the endpoints are http, which knows no TLS: make them https');
  for (const part of PARTS) checkPart(part, tls);
  const [cert, key] = [givenAs('cert', tls), givenAs('key', tls)];
  if (cert === undefined && key !== undefined)
    throw new InvalidOptionError(key.replace('key', 'cert'), 'a certificate and its key go together');
  if (cert !== undefined && key === undefined)
    throw new InvalidOptionError(cert.replace('cert', 'key'), 'a certificate and its key go together');
  for (const name of ['passphrase', 'serverName']) if (tls[name] !== undefined) text(`tls.${name}`, tls[name]);
  return captured({ ...tls });
}

function checkPart(part: Part, tls: Readonly<Record<string, unknown>>): void {
  const { [part]: pem, [`${part}File`]: file } = tls;
  if (pem !== undefined && file !== undefined) throw new InvalidOptionError(`tls.${part}File`, `give either it or tls.${part}`);
  if (pem !== undefined && typeof pem !== 'string' && !(pem instanceof Uint8Array))
    throw new InvalidOptionError(`tls.${part}`, `PEM, as a string or bytes, not ${typeName(pem)}`);
  if (file !== undefined) text(`tls.${part}File`, file);
}

/** Returns the name of the option that sets a part; undefined if none does. */
function givenAs(part: Part, tls: Readonly<Record<string, unknown>>): string | undefined {
  return [part, `${part}File`].filter((name) => tls[name] !== undefined).map((name) => `tls.${name}`)[0];
}
