import { firstValueFrom } from 'rxjs';
import type { Scene } from './scene.js';
import { waitFor } from '../../../support/waitFor.js';

/** What the server holds for watches. */
export interface ServerWatchers {
  readonly watchers: number;
  readonly streams: number;
}

/** etcd 3.3 now and then takes a watch that ends off its count twice: it counts too few from then on, and never too many. */
const COUNTS_TOO_FEW = process.env['ETCD_VERSION']?.startsWith('3.3') === true;

/** What the server says that it holds; with `expected` it is asked until it is that. It takes a moment to notice that somebody left. */
export function watchersOf(scene: Scene, { watchers, streams }: Partial<ServerWatchers> = {}): Promise<ServerWatchers> {
  return askedUntil(
    scene,
    `the server holds ${JSON.stringify({ watchers, streams })}`,
    (held) => held.watchers === (watchers ?? held.watchers) && held.streams === (streams ?? held.streams),
  );
}

/** The same where watches end: no more than these are left. Where the server may have taken one off its count twice it tells what it counts now. */
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
