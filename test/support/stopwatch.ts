/** A duration in milliseconds. `awakeMs` leaves out the time for which this process was stalled. */
export interface Duration {
  readonly ms: number;
  readonly awakeMs: number;
}

const TICK_MS = 5;
/** The event loop turned late if it turned later than this: the rest is a stall. */
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

/** Starts a stopwatch. Returns a function that reads it. Upper limits are compared with `awakeMs`, lower ones with `ms`. */
export function stopwatch(): () => Duration {
  const [ms, awakeMs] = [performance.now(), awakeNow()];
  return () => ({ ms: performance.now() - ms, awakeMs: awakeNow() - awakeMs });
}

/** Measures the duration of a call. */
export async function timed(call: Promise<unknown>): Promise<Duration> {
  const read = stopwatch();
  await call;
  return read();
}

/** The longest of some durations. */
export const longest = (all: readonly Duration[]): Duration => ({
  ms: Math.max(...all.map(({ ms }) => ms)),
  awakeMs: Math.max(...all.map(({ awakeMs }) => awakeMs)),
});
