import { concat, connect, map, merge, of, switchMap, take, type Observable } from 'rxjs';
import type { Client, WatchEvent } from 'rxetcd';
import type { Line } from './printer.js';
import { promised } from './promised.js';
import type { Report } from './registration.js';
import { serviceProcess } from './serviceProcess.js';

const SERVICES = 'demo/services/';
const TTL_S = 3;
/** Long enough for the entry to outlive its TTL by its refreshes. */
const REFRESHES = 4;

/** Shows a service that registers itself, keeps its entry alive, and is killed: the entry ends with its lease. */
export function serviceScene(app: Client, endpoint: string): Observable<Line> {
  const services = { prefix: SERVICES };
  return app.kv.range(services).pipe(
    // The watch has its start revision before the service starts, so it misses no event.
    switchMap(({ header }) =>
      app.watch(services, { startRevision: header.revision + 1 }).pipe(connect((events) => scene(events, endpoint))),
    ),
  );
}

function scene(events: Observable<WatchEvent>, endpoint: string): Observable<Line> {
  const service = serviceProcess(endpoint, `${SERVICES}web-1`, '10.0.0.7:8080', String(TTL_S));
  const next = (promise: string, type: WatchEvent['type']): Observable<Line> =>
    events.pipe(
      promised(promise, (event) => event.type === type),
      map(toLine),
    );
  return concat(
    of<Line>({ who: 'service', text: 'starts in a process of its own' }),
    merge(next('an entry for the service', 'put'), service.pipe(take(1 + REFRESHES), map(toReportLine))),
    of<Line>({ who: 'service', text: 'is killed, and cannot say goodbye', tone: 'bad' }),
    next('the end of the entry', 'delete'),
  );
}

function toLine({ type, kv }: WatchEvent): Line {
  if (type === 'put') return { who: 'registry', text: `${kv.key} is at ${kv.value}`, tone: 'good' };
  return { who: 'registry', text: `${kv.key} is gone: its lease has expired`, tone: 'bad' };
}

function toReportLine({ type, ttl }: Report): Line {
  const text = type === 'registered' ? `has registered, on a lease of ${ttl} s` : `has refreshed its lease: ${ttl} s to live`;
  return { who: 'service', text };
}
