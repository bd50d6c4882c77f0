/** All that waits for one signal, behind one listener. */
class Waiting {
  private readonly entries = new Set<() => void>();

  constructor(private readonly signal: AbortSignal) {}

  add(entry: () => void): void {
    if (this.entries.size === 0) this.signal.addEventListener('abort', this.fire);
    this.entries.add(entry);
  }

  remove(entry: () => void): void {
    if (this.entries.delete(entry) && this.entries.size === 0) this.signal.removeEventListener('abort', this.fire);
  }

  private readonly fire = (): void => {
    for (const entry of [...this.entries]) entry();
  };
}

const all = new WeakMap<AbortSignal, Waiting>();

/**
 * Runs something when a signal is aborted. However many wait for it there is one listener on it, as Node warns of a leak where there are more than ten; with the last of
 * them it is gone.
 *
 * @param signal not aborted yet: one that is never fires again
 * @returns what calls it off
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  const waiting = all.get(signal) ?? new Waiting(signal);
  all.set(signal, waiting);
  // A thing of its own, though the same function be given twice.
  const entry = (): void => run();
  waiting.add(entry);
  return () => waiting.remove(entry);
}
