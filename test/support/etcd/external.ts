import { getVersion } from './http.js';
import type { EtcdServer, ExternalSource } from './types.js';
import { versionMatches } from './versions.js';

/** Returns the servers of `ETCD_ENDPOINTS`. A string is the reason why there are none. */
export async function findExternal(asked: string | undefined): Promise<ExternalSource | string> {
  const endpoints = (process.env['ETCD_ENDPOINTS'] ?? '')
    .split(',')
    .map((url) => url.trim().replace(/\/$/, ''))
    .filter((url) => url !== '');
  const first = endpoints[0];
  if (first === undefined) return 'ETCD_ENDPOINTS is not set';
  // An invalid setting of the user must be an error.
  const { server } = await getVersion(first).catch((error: unknown) => {
    throw new Error(`ETCD_ENDPOINTS=${endpoints.join(',')}: no etcd answers there`, { cause: error });
  });
  return versionMatches(asked, server)
    ? { kind: 'external', endpoints, version: server }
    : `ETCD_ENDPOINTS: ${first} is ${server}, not ${asked}`;
}

/** A server that another program runs: tests can use it, but not stop it. */
export function externalServer(source: ExternalSource): EtcdServer {
  const endpoint = source.endpoints[0] ?? '';
  const refuse = (what: string) => async (): Promise<void> => {
    throw new Error(`${endpoint} comes from ETCD_ENDPOINTS and is not ours: cannot ${what} it. Ask for startEtcd({ own: true })`);
  };
  return {
    kind: 'external',
    endpoint,
    version: source.version,
    name: endpoint,
    peerUrl: undefined,
    dataDir: undefined,
    pid: undefined,
    clientTls: undefined,
    output: () => '',
    stop: async () => undefined,
    kill: refuse('kill'),
    restart: refuse('restart'),
    pause: refuse('pause'),
    resume: refuse('resume'),
  };
}
