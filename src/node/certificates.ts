import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { InvalidOptionError } from '../errors/index.js';
import { type Part, PARTS, type TlsSettings } from '../options/connectionOptions.js';
import { readFileSync } from 'node:fs';

/** The current certificates and keys, by the names that Node uses for them. */
export type TlsMaterial = Readonly<Partial<Record<Part | 'passphrase', string>>>;

/**
 * Holds the current certificates and keys for TLS. Files are read for each connection. Reading three small files costs
 * little compared with a handshake. Comparing the times of the last change would be less reliable, as links and copies
 * can hide a change. While the contents of a file are invalid, perhaps because it is being written, the previous ones
 * stay in use.
 */
export class TlsSource {
  // The field is private at run time as well, as no log may show a key.
  readonly #settings: TlsSettings;
  #pem: Pem;
  #material: TlsMaterial;

  /** @throws InvalidOptionError that names the option whose contents cannot be used */
  constructor(settings: TlsSettings) {
    this.#settings = settings;
    this.#pem = read(settings);
    checkPem(this.#pem, settings.passphrase);
    this.#material = materialOf(this.#pem, settings);
  }

  get serverName(): string | undefined {
    return this.#settings.serverName;
  }

  /** The current certificates and keys. As long as nothing has changed, each access returns the same object. */
  get current(): TlsMaterial {
    const pem = this.changed();
    if (pem !== undefined) {
      this.#pem = pem;
      this.#material = materialOf(pem, this.#settings);
    }
    return this.#material;
  }

  private changed(): Pem | undefined {
    try {
      const pem = read(this.#settings);
      if (PARTS.every((part) => pem[part]?.text === this.#pem[part]?.text)) return undefined;
      checkPem(pem, this.#settings.passphrase);
      return pem;
    } catch {
      return undefined;
    }
  }
}

/**
 * Reads the parts that are given.
 *
 * @throws InvalidOptionError if a file cannot be read
 */
function read(settings: TlsSettings): Pem {
  return Object.fromEntries(
    PARTS.flatMap((part) => {
      const { [part]: given, [`${part}File` as const]: file } = settings;
      if (given !== undefined) return [[part, { option: `tls.${part}`, text: textOf(given) }]];
      return file === undefined ? [] : [[part, { option: `tls.${part}File`, text: contentsOf(file, `tls.${part}File`) }]];
    }),
  );
}

const textOf = (pem: string | Uint8Array): string => (typeof pem === 'string' ? pem : new TextDecoder().decode(pem));

function contentsOf(file: string, option: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InvalidOptionError(option, `expected a file that can be read, received ${file} (${code ?? 'no reason given'})`);
  }
}

const materialOf = (pem: Pem, { passphrase }: TlsSettings): TlsMaterial => ({
  ...Object.fromEntries(Object.entries(pem).map(([part, { text }]) => [part, text])),
  ...(passphrase === undefined ? {} : { passphrase }),
});

const BEGIN = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/g;
const CERTIFICATE = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----.*?-----END \1-----/gs;

/**
 * Checks certificates and keys. Node would accept a file without a certificate, and then trust no server. For a key
 * that does not belong to the certificate, Node would report only OpenSSL's message.
 *
 * @throws InvalidOptionError that names the option, and shows nothing of its value
 */
export function checkPem({ ca, cert, key }: Pem, passphrase: string | undefined): void {
  if (ca !== undefined) certificatesIn(ca);
  if (cert === undefined || key === undefined) return;
  const [leaf] = certificatesIn(cert);
  if (leaf?.checkPrivateKey(keyIn(key, passphrase)) !== true)
    throw new InvalidOptionError(key.option, `expected the key of the certificate in ${cert.option}, received another key`);
}

type Given = NonNullable<Pem['ca']>;

function certificatesIn({ option, text }: Given): readonly X509Certificate[] {
  const blocks = text.match(CERTIFICATE) ?? [];
  if (blocks.length === 0)
    throw new InvalidOptionError(option, 'expected a certificate that begins with -----BEGIN CERTIFICATE-----, received no certificate');
  if (blocks.length !== text.match(BEGIN)?.length)
    throw new InvalidOptionError(option, 'expected complete certificates, received a certificate without its -----END line');
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new InvalidOptionError(option, `expected valid certificates, received an invalid certificate (number ${index + 1})`);
    }
  });
}

function keyIn({ option, text }: Given, passphrase: string | undefined): KeyObject {
  try {
    return createPrivateKey({ key: text, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch {
    // The text is checked, as OpenSSL's message is not the same in all versions.
    if (!text.includes('ENCRYPTED'))
      throw new InvalidOptionError(option, 'expected a private key that begins with -----BEGIN PRIVATE KEY-----, received no private key');
    throw passphrase === undefined
      ? new InvalidOptionError(option, 'expected a passphrase for the encrypted key, received no passphrase; set the option tls.passphrase')
      : new InvalidOptionError(
          'tls.passphrase',
          `expected the passphrase of the key in ${option}, received a passphrase that does not decrypt this key`,
        );
  }
}

/** The parts that are given. Each has the name of the option that sets it. */
export type Pem = Readonly<Partial<Record<Part, { readonly option: string; readonly text: string }>>>;
