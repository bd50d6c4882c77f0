import type { BrowserHost } from './host.js';

/** The events of a window, and those of a document, after which a page may run no code for long. */
const AWAY = { window: 'pagehide', document: 'freeze' } as const;
/** The events at which it runs again. */
const BACK = { window: 'pageshow', document: 'resume' } as const;

/**
 * Follows whether a page is there. A page that is left may be kept in the back/forward cache, and a hidden one may be
 * frozen. Its streams are ended before that, so that nothing is left at the server, and opened again afterwards.
 */
export class PagePresence {
  private away = false;
  private readonly streams = new Set<() => void>();
  private readonly waiting = new Set<() => void>();

  constructor(private readonly host: BrowserHost) {
    host.addEventListener?.(AWAY.window, this.leave);
    host.addEventListener?.(BACK.window, this.comeBack);
    host.document?.addEventListener?.(AWAY.document, this.leave);
    host.document?.addEventListener?.(BACK.document, this.comeBack);
  }

  /** Runs `open` while the page is there: now, or when it is back. Returns a function that cancels it. */
  whenHere(open: () => void): () => void {
    if (!this.away) {
      open();
      return () => undefined;
    }
    this.waiting.add(open);
    return () => this.waiting.delete(open);
  }

  /** Runs `end` when the page goes away. Returns a function that cancels it. */
  onLeave(end: () => void): () => void {
    this.streams.add(end);
    return () => this.streams.delete(end);
  }

  /** Stops following the page. */
  close(): void {
    const { host } = this;
    host.removeEventListener?.(AWAY.window, this.leave);
    host.removeEventListener?.(BACK.window, this.comeBack);
    host.document?.removeEventListener?.(AWAY.document, this.leave);
    host.document?.removeEventListener?.(BACK.document, this.comeBack);
    this.comeBack();
  }

  private readonly leave = (): void => {
    this.away = true;
    for (const end of this.streams) end();
  };

  private readonly comeBack = (): void => {
    this.away = false;
    for (const open of this.waiting) {
      this.waiting.delete(open);
      open();
    }
  };
}
