import { setTimeout as delay } from 'node:timers/promises';

/** The timeout of a wait: long enough on a busy machine, and short enough to report a hang. */
const TIMEOUT_MS = 60_000;
const PAUSE_MS = 2;
const SERVER_PAUSE_MS = 20;

/**
 * Calls `look` until its result is neither `false` nor `undefined`, and resolves with that. Rejects after a timeout,
 * with `what` in the message. A `look` that returns a promise sends requests to a server, so its pauses are longer.
 */
export async function waitFor<T>(what: string, look: () => T | Promise<T>, timeoutMs = TIMEOUT_MS): Promise<Exclude<T, false | undefined>> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const looked = look();
    const result = await looked;
    if (result !== false && result !== undefined) return result as Exclude<T, false | undefined>;
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await delay(looked instanceof Promise ? SERVER_PAUSE_MS : PAUSE_MS);
  }
}

/**
 * Reads a value until it is as expected, and resolves with it. Rejects after a timeout, with the last value in the
 * message.
 */
export async function waitForValue<T>(read: () => T | Promise<T>, isExpected: (value: T) => boolean, timeoutMs = TIMEOUT_MS): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (isExpected(value)) return value;
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms; last value: ${JSON.stringify(value)}`);
    await delay(SERVER_PAUSE_MS);
  }
}
