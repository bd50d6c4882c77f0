const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Finds where JSON objects end, by their braces and strings, chunk after chunk. It does not check what is within. */
export class ObjectEnds {
  /** Objects that have ended. */
  seen = 0;
  private depth = 0;
  private inString = false;
  private escaped = false;

  /** Whether what was looked at so far ends within an object. */
  get within(): boolean {
    return this.depth > 0;
  }

  /** The index after the object that begins or goes on at `from`; the chunk's end where it ends later. */
  next(chunk: Uint8Array, from: number): number {
    let index = from;
    while (index < chunk.length) {
      if (this.inString) {
        index = this.skipString(chunk, index);
        continue;
      }
      const byte = chunk[index];
      index += 1;
      if (byte === QUOTE) this.inString = true;
      else if (byte === OPEN_BRACE) this.depth += 1;
      else if (byte === CLOSE_BRACE) {
        this.depth -= 1;
        if (this.depth === 0) {
          this.seen += 1;
          return index;
        }
      }
    }
    return index;
  }

  /** The index after the string's closing quote, or the chunk's end. Most bytes of an answer are base64, so this loop is the one that counts. */
  private skipString(chunk: Uint8Array, from: number): number {
    let index = from;
    if (this.escaped) {
      this.escaped = false;
      index += 1;
    }
    while (index < chunk.length) {
      const byte = chunk[index];
      if (byte === QUOTE) {
        this.inString = false;
        return index + 1;
      }
      if (byte === BACKSLASH) {
        if (index + 1 === chunk.length) this.escaped = true;
        index += 1;
      }
      index += 1;
    }
    return chunk.length;
  }
}
