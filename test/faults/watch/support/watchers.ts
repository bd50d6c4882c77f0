import { firstValueFrom } from 'rxjs';
import type { Scene } from './scene.js';
import { waitFor } from '../../../support/waitFor.js';

/** The numbers of watches and streams on the server. */
export interface ServerWatchers {
  readonly watchers: number;
  readonly streams: number;
}

/** etcd 3.3 sometimes subtracts a watch that ends twice: from then on its count is too low, and never too high. */
const COUNTS_TOO_FEW = process.env['ETCD_VERSION']?.startsWith('3.3') === true;

/** Reads the numbers of watches and streams on the server, until they are as expected: a closed stream is noticed late. */
export function watchersOf(scene: Scene, { watchers, streams }: Partial<ServerWatchers> = {}): Promise<ServerWatchers> {
  return askedUntil(
    scene,
    `the server holds ${JSON.stringify({ watchers, streams })}`,
    (held) => held.watchers === (watchers ?? held.watchers) && held.streams === (streams ?? held.streams),
  );
}

/**
 * Does the same when watches end: at most this many may be left. On servers that may have subtracted one twice, it
 * resolves with the present count.
 */
export function watchersLeft(scene: Scene, { watchers, streams }: ServerWatchers): Promise<ServerWatchers> {
  return askedUntil(
    scene,
    `the server holds no more than ${JSON.stringify({ watchers, streams })}`,
    (held) => held.streams === streams && (COUNTS_TOO_FEW ? held.watchers <= watchers : held.watchers === watchers),
  );
}

async function askedUntil({ direct }: Scene, what: string, isIt: (held: ServerWatchers) => boolean): Promise<ServerWatchers> {
  let held = { watchers: NaN, streams: NaN };
  const isSo = async (): Promise<boolean> => {
    const families = await firstValueFrom(direct.metrics());
    const valueOf = (name: string): number => families.find((family) => family.name === name)?.samples[0]?.value ?? NaN;
    held = { watchers: valueOf('etcd_debugging_mvcc_watcher_total'), streams: valueOf('etcd_debugging_mvcc_watch_stream_total') };
    return isIt(held);
  };
  await waitFor(what, isSo).catch((cause: unknown) => {
    throw new Error(`it holds ${JSON.stringify(held)}`, { cause });
  });
  return held;
}
