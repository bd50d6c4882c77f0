/** All functions that wait for one signal, with one listener. */
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
 * Calls a function when a signal is aborted. All functions share one listener, as Node warns of a leak if a signal has
 * more than ten. The listener is removed with the last function.
 *
 * @param signal a signal that is not aborted yet, as an aborted one never fires again
 * @returns a function that cancels it
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  const waiting = all.get(signal) ?? new Waiting(signal);
  all.set(signal, waiting);
  // A new function, as the same one may be passed twice.
  const entry = (): void => run();
  waiting.add(entry);
  return () => waiting.remove(entry);
}
