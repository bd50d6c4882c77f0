/**
 * The length, in characters, at which messages are sent without waiting for more. A server reads a frame to its end
 * before it looks at the first message in it.
 */
const LONG = 32_768;

/**
 * Sends the messages of a turn together, one on each line. The frame around a message, and the write to the socket,
 * cost several times as much as the message. To the server's proxy all frames are one text of JSON values, wherever it
 * is cut.
 */
export class Outgoing {
  private lines = '';

  constructor(
    private readonly write: (text: string) => void,
    private readonly atEndOfTurn: (run: () => void) => void,
  ) {}

  readonly send = (message: string): void => {
    if (this.lines === '') {
      this.lines = message;
      this.atEndOfTurn(() => this.flush());
    } else {
      this.lines += `\n${message}`;
    }
    if (this.lines.length >= LONG) this.flush();
  };

  /** Sends the messages that wait. A caller that is about to close the stream must not wait for the end of the turn. */
  flush(): void {
    const { lines } = this;
    this.lines = '';
    if (lines !== '') this.write(lines);
  }
}
