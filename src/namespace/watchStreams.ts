import type { WatchReport, WatchStream } from '../watch/watchStream.js';
import type { Prefix } from '../prefix/prefix.js';

/** A stream of others, as the watches of a namespace use it: the connection stays one, whatever the number of namespaces. */
export function watchStreamWithin(stream: WatchStream, prefix: Prefix): WatchStream {
  const inside = (report: WatchReport): WatchReport =>
    report.type === 'created' ? report : { ...report, events: report.events.map(prefix.insideEvent) };
  return {
    watch: (target, startRevision) => ({
      subscribe: (observer) =>
        stream.watch(prefix.around(target), startRevision).subscribe({
          next: (report) => observer.next(inside(report)),
          error: (error) => observer.error(error),
          complete: () => observer.complete(),
        }),
    }),
  };
}
