import { firstValueFrom } from 'rxjs';
import type { Scene } from './scene.js';
import { until } from './until.js';

/** What the server holds for watches. */
export interface ServerWatchers {
  readonly watchers: number;
  readonly streams: number;
}

/** What the server says that it holds; with `expected` it is asked until it is that. It takes a moment to notice that somebody left. */
export async function watchersOf({ direct }: Scene, expected: Partial<ServerWatchers> = {}): Promise<ServerWatchers> {
  let held = { watchers: NaN, streams: NaN };
  const isSo = async (): Promise<boolean> => {
    const families = await firstValueFrom(direct.metrics());
    const valueOf = (name: string): number => families.find((family) => family.name === name)?.samples[0]?.value ?? NaN;
    held = { watchers: valueOf('etcd_debugging_mvcc_watcher_total'), streams: valueOf('etcd_debugging_mvcc_watch_stream_total') };
    const { watchers = held.watchers, streams = held.streams } = expected;
    return held.watchers === watchers && held.streams === streams;
  };
  await until(`the server holds ${JSON.stringify(expected)}`, isSo, 15_000).catch((cause: unknown) => {
    throw new Error(`it holds ${JSON.stringify(held)}`, { cause });
  });
  return held;
}
