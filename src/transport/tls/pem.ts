import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { InvalidOptionError } from '../../errors/index.js';
import type { Pem } from './settings.js';

const BEGIN = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/g;
const CERTIFICATE = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----.*?-----END \1-----/gs;

/**
 * Looks into what is given: Node would take a file without a certificate in it for one that trusts nobody, and tell of a key that belongs to another certificate
 * in OpenSSL's words.
 *
 * @throws InvalidOptionError that names the option, and repeats nothing of it
 */
export function checkPem({ ca, cert, key }: Pem, passphrase: string | undefined): void {
  if (ca !== undefined) certificatesIn(ca);
  if (cert === undefined || key === undefined) return;
  const [leaf] = certificatesIn(cert);
  if (leaf?.checkPrivateKey(keyIn(key, passphrase)) !== true)
    throw new InvalidOptionError(key.option, `it is not the key of the certificate in ${cert.option}`);
}

type Given = NonNullable<Pem['ca']>;

function certificatesIn({ option, text }: Given): readonly X509Certificate[] {
  const blocks = text.match(CERTIFICATE) ?? [];
  if (blocks.length === 0)
    throw new InvalidOptionError(option, 'there is no certificate in it; PEM begins with -----BEGIN CERTIFICATE-----');
  if (blocks.length !== text.match(BEGIN)?.length) throw new InvalidOptionError(option, 'a certificate in it has no end');
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new InvalidOptionError(option, `certificate ${index + 1} in it cannot be read`);
    }
  });
}

function keyIn({ option, text }: Given, passphrase: string | undefined): KeyObject {
  try {
    return createPrivateKey({ key: text, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch {
    // What OpenSSL says depends on its version.
    if (!text.includes('ENCRYPTED'))
      throw new InvalidOptionError(option, 'there is no private key in it; PEM begins with -----BEGIN PRIVATE KEY-----');
    throw passphrase === undefined
      ? new InvalidOptionError(option, 'it is encrypted: give the option tls.passphrase')
      : new InvalidOptionError('tls.passphrase', `it does not open the key in ${option}`);
  }
}
