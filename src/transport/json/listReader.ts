import type { LongList } from '../../codec/descriptors.js';
import { isAscii, joinBytes, longText } from '../../model/bytes.js';
import { jsonIn } from '../../model/validate.js';

/**
 * The length of a part, in bytes. Shorter parts gain nothing, and longer parts would block the event loop for too long.
 * From 128 KiB on V8 allocates each string separately: reading 256 KiB cost three times as much for each KiB.
 */
const PART_BYTES = 2 ** 16;
/** An upper limit for the bytes of a response before its first element. */
const HEAD_BYTES = 2 ** 10;
const CLOSING_BRACE = 0x7d;
const FOLLOWING = /^\s*(?:,(?!\s*\])|(?=\]))/;

/**
 * Reads the elements of a long list while the response arrives, so that no turn of the event loop takes as long as the
 * response. A part ends at a closing brace. A part that is valid JSON between brackets consists of whole elements.
 * Otherwise everything that follows is kept until the end, and is then read like any other response.
 */
export class ListReader<A> {
  private readonly collected: ReturnType<LongList<A>['collect']>;
  /** Bytes that were not read yet. */
  private pending: Uint8Array[] = [];
  private pendingBytes = 0;
  private enoughBytes: number;
  /** The text before the first element, once it has arrived. */
  private head = '';
  /** Whether an element was read. A comma or the end of the list follows that element. */
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

  /** Adds the elements that were read to the response in that text. */
  complete(answer: A): A {
    return this.begun ? this.collected.complete(answer) : answer;
  }

  private readPart(bytes: Uint8Array): void {
    if (this.head === '') {
      const [head] = this.list.head.exec(longText(bytes.subarray(0, HEAD_BYTES))) ?? [];
      if (head === undefined || !isAscii(head)) return this.wait(bytes, Infinity);
      this.head = head;
      bytes = bytes.subarray(head.length);
    }
    const end = bytes.lastIndexOf(CLOSING_BRACE) + 1;
    // A single element is longer than a part. Searching it again after each chunk would take quadratic time.
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
   * Removes the comma after the elements that were read: another element follows it, or the end of the list. Anything
   * else is left invalid as JSON.
   */
  private withoutComma(text: string): string {
    if (!this.begun) return text;
    return FOLLOWING.test(text) ? text.replace(FOLLOWING, '') : `,${text}`;
  }
}
