import { InvalidOptionError } from '../errors/index.js';
import { typeName } from '../model/failures.js';
import { isObject, onlyKnown, text } from './optionValidators.js';
import { PARTS, type Part, type TlsSettings } from '../transport/tls/settings.js';

/** As a record, so that the compiler finds the option that was forgotten here. */
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

/** Checks the option `tls` for its form; what is in certificates and files is looked into by who uses them. @throws InvalidOptionError */
export function checkTls(tls: unknown, endpoints: readonly string[]): TlsSettings {
  if (!isObject(tls)) throw new InvalidOptionError('tls', `{ ${NAMES.join(', ')} }, not ${typeName(tls)}`);
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
  return { ...tls };
}

function checkPart(part: Part, tls: Readonly<Record<string, unknown>>): void {
  const { [part]: pem, [`${part}File`]: file } = tls;
  if (pem !== undefined && file !== undefined) throw new InvalidOptionError(`tls.${part}File`, `give either it or tls.${part}`);
  if (pem !== undefined && typeof pem !== 'string' && !(pem instanceof Uint8Array))
    throw new InvalidOptionError(`tls.${part}`, `PEM, as a string or bytes, not ${typeName(pem)}`);
  if (file !== undefined) text(`tls.${part}File`, file);
}

/** The option that gives it. */
function givenAs(part: Part, tls: Readonly<Record<string, unknown>>): string | undefined {
  return [part, `${part}File`].filter((name) => tls[name] !== undefined).map((name) => `tls.${name}`)[0];
}
