import { map } from 'rxjs';
import type { WatcherMeans } from '../watch/watcher.js';
import type { WatchReport, WatchStream } from '../watch/watchStream.js';
import type { Prefix } from './prefix.js';

type WatchStreams = WatcherMeans['connections'];

/** The streams of others, as the watches of a namespace use them: the connection stays one, whatever the number of namespaces. */
export function watchStreamsWithin(streams: WatchStreams, prefix: Prefix): WatchStreams {
  return {
    stream: () => streams.stream().pipe(map((stream) => watchStreamWithin(stream, prefix))),
    track: (user) => streams.track(user),
    state: streams.state,
    troubled: streams.troubled,
  };
}

function watchStreamWithin(stream: WatchStream, prefix: Prefix): WatchStream {
  const inside = (report: WatchReport): WatchReport =>
    report.type === 'created' ? report : { ...report, events: report.events.map(prefix.insideEvent) };
  return {
    watch: (target, startRevision) => stream.watch({ ...target, keys: prefix.around(target.keys) }, startRevision).pipe(map(inside)),
  };
}
