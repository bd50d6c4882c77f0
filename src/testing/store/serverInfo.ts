import { idToHex } from '../../model/ids.js';
import type { Core } from './core.js';
import type { StoreResponse } from './etcdStore.js';

/** Responds to a plain GET. */
export function serverInfo(core: Core, path: string): StoreResponse {
  const { version } = core;
  const [name = '', query = ''] = path.split('?');
  switch (name) {
    case '/version':
      return ok({
        etcdserver: version.text,
        etcdcluster: version.cluster,
        ...(version.has('3.6') ? { storage: version.cluster } : {}),
      });
    case '/health':
      return health(core);
    case '/livez':
    case '/readyz':
      return version.has('3.5.11') ? checks(core, name, query.includes('verbose')) : NOT_FOUND;
    case '/metrics':
      return { status: 200, body: metrics(core) };
    default:
      return NOT_FOUND;
  }
}

const NOT_FOUND: StoreResponse = { status: 404, body: '404 page not found\n' };

const ok = (json: object): StoreResponse => ({ status: 200, body: JSON.stringify(json) });

function health({ space, version }: Core): StoreResponse {
  const alarm = space.all()[0]?.alarm;
  const body = {
    health: String(alarm === undefined),
    ...(version.has('3.5') ? { reason: alarm === undefined ? '' : `ALARM ${alarm}` } : {}),
  };
  return { status: alarm === undefined ? 200 : 503, body: JSON.stringify(body) };
}

function checks({ space, version }: Core, path: string, isVerbose: boolean): StoreResponse {
  const isCorrupt = space.all().some(({ alarm }) => alarm === 'CORRUPT');
  const names =
    path === '/livez'
      ? ['serializable_read']
      : ['data_corruption', 'serializable_read', 'linearizable_read', ...(version.has('3.6') ? ['non_learner'] : [])];
  const failed = (name: string): boolean => name === 'data_corruption' && isCorrupt;
  const lines = names.map((name) => (failed(name) ? `[-]${name} failed: alarm activated: CORRUPT` : `[+]${name} ok`));
  const isOk = !names.some(failed);
  if (isOk && !isVerbose) return { status: 200, body: 'ok\n' };
  return { status: isOk ? 200 : 503, body: `${[...lines, isOk ? 'ok' : `${path.slice(1)} check failed`].join('\n')}\n` };
}

/** Returns the metrics that a client may need, in the text format of Prometheus. */
function metrics({ cluster, space, version, mvcc, watches }: Core): string {
  const metric = (type: string, name: string, help: string, value: number, labels = ''): string =>
    `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name}${labels} ${value}\n`;
  const gauge = (name: string, help: string, value: number, labels?: string): string => metric('gauge', name, help, value, labels);
  const counter = (name: string, help: string, value: number): string => metric('counter', name, help, value);
  return [
    gauge('etcd_mvcc_db_total_size_in_bytes', 'Total size of the underlying database physically allocated in bytes.', space.size),
    gauge('etcd_mvcc_db_total_size_in_use_in_bytes', 'Total size of the underlying database logically in use in bytes.', space.inUse),
    gauge('etcd_debugging_mvcc_current_revision', 'The current revision of store.', mvcc.revision),
    counter(`etcd_${version.has('3.4') ? '' : 'debugging_'}mvcc_put_total`, 'Total number of puts seen by this member.', mvcc.puts),
    counter('etcd_debugging_mvcc_events_total', 'Total number of events sent by this member.', watches.sent),
    gauge('etcd_debugging_mvcc_watch_stream_total', 'Total number of watch streams.', watches.streamCount),
    gauge('etcd_debugging_mvcc_watcher_total', 'Total number of watchers.', watches.count),
    gauge('etcd_server_has_leader', 'Whether or not a leader exists. 1 is existence, 0 is not.', 1),
    gauge(
      'etcd_server_id',
      "Server or member ID in hexadecimal format. 1 for 'server_id' label with current ID.",
      1,
      `{server_id="${idToHex(cluster.leader)}"}`,
    ),
    gauge(
      'etcd_server_version',
      "Which version is running. 1 for 'server_version' label with current version.",
      1,
      `{server_version="${version.text}"}`,
    ),
  ].join('');
}
