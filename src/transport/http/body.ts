import { requestText, type Rpc } from '../../codec/rpc.js';
import { EtcdError, type ErrorDetails } from '../../errors/index.js';

/** The body of a request. Of text in ASCII each character is a byte: to encode it in UTF-8 would take three times as long, and give the same. */
export const bodyOf = <In>(rpc: Rpc<In, unknown>, request: In): Uint8Array => Buffer.from(requestText(rpc, request), 'latin1');

/** A body that is kept whole, up to a length. */
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

/** Chunks as text. Nearly every answer is one. */
export const textOf = (chunks: readonly Buffer[]): string =>
  (chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)).toString('utf8');

export const responseTooLarge = (where: ErrorDetails): EtcdError =>
  new EtcdError('ResponseTooLarge', 'the answer is longer than the option maxResponseBytes allows', where);
