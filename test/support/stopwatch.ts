/**
 * A duration in milliseconds. `awakeMs` excludes the time for which this process, or an observed server, was stalled.
 */
export interface Duration {
  readonly ms: number;
  readonly awakeMs: number;
}

/** Measures for how long a server was stalled. */
interface Stalls {
  readonly stalledMs: number;
}

const TICK_MS = 5;
/** A turn of the event loop that is later than this is a stall for the rest of the time. */
const LATE_MS = 20;

let awake = 0;
let last = performance.now();

/** Returns the milliseconds for which the event loop has turned since this module was loaded: a clock that stands still while this process is stalled. */
export function awakeNow(): number {
  const now = performance.now();
  awake += Math.min(now - last, LATE_MS);
  last = now;
  return awake;
}

setInterval(awakeNow, TICK_MS).unref();

/**
 * Starts a stopwatch. Returns a function that reads it. Tests compare upper limits with `awakeMs`, and lower limits
 * with `ms`.
 */
export function stopwatch(server?: Stalls): () => Duration {
  const awake = (): number => awakeNow() - (server?.stalledMs ?? 0);
  const [ms, awakeMs] = [performance.now(), awake()];
  return () => ({ ms: performance.now() - ms, awakeMs: awake() - awakeMs });
}

/** Measures the duration of a call. */
export async function timed(call: Promise<unknown>, server?: Stalls): Promise<Duration> {
  const read = stopwatch(server);
  await call;
  return read();
}

/** The longest of some durations. */
export const longest = (all: readonly Duration[]): Duration => ({
  ms: Math.max(...all.map(({ ms }) => ms)),
  awakeMs: Math.max(...all.map(({ awakeMs }) => awakeMs)),
});
