import type { EtcdServer } from './types.js';

/**
 * Starts the members of a cluster at the same time: a member is ready only when most of them run. If one cannot be
 * started, the others are stopped at once.
 */
export async function startTogether<T>(
  seats: readonly T[],
  start: (seat: T, signal: AbortSignal) => Promise<EtcdServer>,
): Promise<EtcdServer[]> {
  const givenUp = new AbortController();
  const failures: unknown[] = [];
  const results = await Promise.all(
    seats.map((seat) =>
      start(seat, givenUp.signal).catch((error: unknown) => {
        failures.push(error);
        givenUp.abort();
      }),
    ),
  );
  const servers = results.filter((server) => server !== undefined);
  if (failures.length === 0) return servers;
  await Promise.all(servers.map((server) => server.stop()));
  throw failures[0];
}
