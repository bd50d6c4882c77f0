/** In characters: a server reads a frame to its end before it looks at the first message in it. */
const LONG = 32_768;

/**
 * Messages for a stream, of which those of a turn leave in one piece, a line each: the frame around a message, and the write to the socket, cost several times as much as
 * the message. To the server's proxy all frames are one text of JSON values, wherever it is cut.
 */
export class Outgoing {
  private lines = '';

  constructor(private readonly write: (text: string) => void) {}

  readonly send = (message: string): void => {
    if (this.lines === '') {
      this.lines = message;
      process.nextTick(() => this.flush());
    } else {
      this.lines += `\n${message}`;
    }
    if (this.lines.length >= LONG) this.flush();
  };

  /** What was said by now leaves now: who is about to close the stream must not wait for the end of the turn. */
  flush(): void {
    const { lines } = this;
    this.lines = '';
    if (lines !== '') this.write(lines);
  }
}
