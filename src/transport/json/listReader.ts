import type { LongList } from '../../codec/descriptors.js';
import { isAscii, joinBytes, longText } from '../../model/bytes.js';
import { jsonIn } from '../../model/validate.js';

/**
 * The length of a part, in bytes. Shorter parts bring no advantage, and longer parts would block the event loop for too
 * long. V8 allocates each string of 128 KiB or more separately: with 256 KiB, reading cost three times as much for each
 * KiB.
 */
const PART_BYTES = 2 ** 16;
/** The maximum number of bytes before the first element of the list. */
const HEAD_BYTES = 2 ** 10;
const CLOSING_BRACE = 0x7d;
const FOLLOWING = /^\s*(?:,(?!\s*\])|(?=\]))/;

/**
 * Reads the elements of a long list while the response arrives. So the event loop is not blocked by one long read. The
 * bytes are divided into parts, each of which ends at a closing brace. A part that is valid JSON between brackets
 * consists of whole elements. If a part is not valid, it is kept with everything that follows, and is read at the end
 * like any other response.
 */
export class ListReader<A> {
  private readonly collected: ReturnType<LongList<A>['collect']>;
  /** The bytes that were not read yet. */
  private pending: Uint8Array[] = [];
  private pendingBytes = 0;
  private enoughBytes: number;
  /** The text before the first element, once it has arrived. */
  private head = '';
  /** Whether any element was read. If so, a comma or the end of the list follows. */
  private begun = false;

  constructor(
    private readonly list: LongList<A>,
    private readonly partBytes = PART_BYTES,
  ) {
    this.enoughBytes = partBytes;
    this.collected = list.collect();
  }

  push(chunk: Uint8Array): void {
    this.pending.push(chunk);
    this.pendingBytes += chunk.length;
    if (this.pendingBytes >= this.enoughBytes) this.readPart(joinBytes(this.pending));
  }

  /** The text of the response without the elements that were read. */
  get text(): string {
    return this.head + this.withoutComma(longText(joinBytes(this.pending)));
  }

  /** Returns the response, completed by the elements that were read before. */
  complete(response: A): A {
    return this.begun ? this.collected.complete(response) : response;
  }

  private readPart(bytes: Uint8Array): void {
    if (this.head === '') {
      const [head] = this.list.head.exec(longText(bytes.subarray(0, HEAD_BYTES))) ?? [];
      if (head === undefined || !isAscii(head)) return this.wait(bytes, Infinity);
      this.head = head;
      bytes = bytes.subarray(head.length);
    }
    const end = bytes.lastIndexOf(CLOSING_BRACE) + 1;
    // One element is longer than a part. The next search waits until there are twice as many bytes, as a search after
    // each chunk would take quadratic time.
    if (end === 0) return this.wait(bytes, 2 * bytes.length);
    const elements = jsonIn(`[${this.withoutComma(longText(bytes.subarray(0, end)))}]`);
    if (elements === undefined || !this.collected.add(elements)) return this.wait(bytes, Infinity);
    this.begun = true;
    const rest = bytes.subarray(end);
    this.wait(rest, Math.max(this.partBytes, 2 * rest.length));
  }

  private wait(bytes: Uint8Array, enoughBytes: number): void {
    this.pending = [bytes];
    this.pendingBytes = bytes.length;
    this.enoughBytes = enoughBytes;
  }

  /**
   * Removes the comma after the elements that were read. If neither another element nor the end of the list follows,
   * the text stays invalid as JSON.
   */
  private withoutComma(text: string): string {
    if (!this.begun) return text;
    return FOLLOWING.test(text) ? text.replace(FOLLOWING, '') : `,${text}`;
  }
}
