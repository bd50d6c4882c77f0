import { readFileSync } from 'node:fs';

/** The nanoseconds for which the main thread ran, and for which it was ready but had to wait for a core. */
interface Scheduled {
  readonly ran: number;
  readonly waited: number;
}

function scheduled(): Scheduled {
  try {
    const [ran = 0, waited = 0] = readFileSync('/proc/self/schedstat', 'utf8').split(' ').map(Number);
    return { ran, waited };
  } catch {
    // Only Linux has this file.
    return { ran: 0, waited: 0 };
  }
}

/**
 * Returns a function that returns the factor by which the machine has slowed this process down since: 1 if a core was
 * always free, and 3 if the process waited for a core twice as long as it ran.
 */
export function slowness(): () => number {
  const before = scheduled();
  return () => {
    const after = scheduled();
    const ran = after.ran - before.ran;
    return ran > 0 ? 1 + (after.waited - before.waited) / ran : 1;
  };
}
