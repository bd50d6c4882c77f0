import { isAscii } from 'node:buffer';
import type { ErrorDetails } from '../errors/index.js';
import { responseTooLarge } from '../transport/http/transport.js';

/** Collects a body, up to a length. */
export class Body {
  private readonly chunks: Buffer[] = [];
  private bytes = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly where: ErrorDetails,
  ) {}

  /** @throws EtcdError `ResponseTooLarge` */
  push(chunk: Buffer): void {
    this.bytes += chunk.length;
    if (this.bytes > this.maxBytes) throw responseTooLarge(this.where);
    this.chunks.push(chunk);
  }

  get text(): string {
    return textOf(this.chunks);
  }
}

/** Returns chunks as text. Nearly every response is one chunk. */
export const textOf = (chunks: readonly Buffer[]): string =>
  utf8Text(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));

/** Decodes UTF-8. Nearly every response is in ASCII, which is checked and copied in half the time of decoding it. */
export const utf8Text = (bytes: Buffer): string => bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8');
