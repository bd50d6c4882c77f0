import { setTimeout as delay } from 'node:timers/promises';

/** Resolves when it is so; rejects, naming it, when it takes longer than that. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await delay(2);
  }
}
