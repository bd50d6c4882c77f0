/** Lets work continue, holds it back, or ends it. */
export class Gate {
  private state: 'open' | 'held' | 'closed' = 'open';
  private waiting: (() => void)[] = [];

  /** Resolves with true when the gate is open, or with false once it is closed. */
  async passed(): Promise<boolean> {
    while (this.state === 'held') await new Promise<void>((resolve) => this.waiting.push(resolve));
    return this.state === 'open';
  }

  get open(): boolean {
    return this.state === 'open';
  }

  hold(): void {
    this.state = 'held';
  }

  go(): void {
    this.change('open');
  }

  close(): void {
    this.change('closed');
  }

  private change(state: 'open' | 'closed'): void {
    this.state = state;
    for (const go of this.waiting.splice(0)) go();
  }
}
