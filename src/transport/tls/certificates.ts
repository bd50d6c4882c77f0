import { readFileSync } from 'node:fs';
import { InvalidOptionError } from '../../errors/index.js';
import { checkPem } from './pem.js';
import { PARTS, type Part, type Pem, type TlsSettings } from './settings.js';

/** What is trusted and shown, by Node's names. */
export type TlsMaterial = Readonly<Partial<Record<Part | 'passphrase', string>>>;

/**
 * What TLS works with, as it is now. Files are read for each connection: three small ones cost little beside a handshake, and their contents cannot deceive, as
 * times and links do. What is not good just now, because it is being written, leaves things as they were.
 */
export class TlsSource {
  private pem: Pem;
  private material: TlsMaterial;

  /** @throws InvalidOptionError that names the option whose contents cannot be used */
  constructor(private readonly settings: TlsSettings) {
    this.pem = read(settings);
    checkPem(this.pem, settings.passphrase);
    this.material = materialOf(this.pem, settings);
  }

  get serverName(): string | undefined {
    return this.settings.serverName;
  }

  /** The same object as before as long as nothing has changed. */
  get current(): TlsMaterial {
    const pem = this.changed();
    if (pem !== undefined) {
      this.pem = pem;
      this.material = materialOf(pem, this.settings);
    }
    return this.material;
  }

  private changed(): Pem | undefined {
    try {
      const pem = read(this.settings);
      if (PARTS.every((part) => pem[part]?.text === this.pem[part]?.text)) return undefined;
      checkPem(pem, this.settings.passphrase);
      return pem;
    } catch {
      return undefined;
    }
  }
}

/** @throws InvalidOptionError for a file that cannot be read */
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
    throw new InvalidOptionError(option, `${file} cannot be read (${code ?? 'no reason given'})`);
  }
}

const materialOf = (pem: Pem, { passphrase }: TlsSettings): TlsMaterial => ({
  ...Object.fromEntries(Object.entries(pem).map(([part, { text }]) => [part, text])),
  ...(passphrase === undefined ? {} : { passphrase }),
});
