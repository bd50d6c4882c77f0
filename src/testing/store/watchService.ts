import { WatchRequest, WatchResponse } from '../../codec/watch.js';
import type { Core } from './core.js';
import { type Endpoint, streaming } from './endpoint.js';
import { WatchStream } from './watches.js';

/** Creates the RPC for watches. */
export function watchService({ watches, mvcc, traits }: Core): Readonly<Record<string, Endpoint>> {
  return {
    '/watch': streaming(WatchRequest, WatchResponse, ({ header, access }, { next }) => {
      const stream = new WatchStream(watches, mvcc, traits, { send: next, header, mayWatch: (span) => access().read(span) });
      return { receive: (request) => stream.receive(request), close: () => stream.close() };
    }),
  };
}
