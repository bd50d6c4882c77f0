import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { GenericContainer, StartedTestContainer } from 'testcontainers';
import { START_TIMEOUT_MS, waitReady } from './launch.js';
import type { Seat } from './processServer.js';
import type { ClientTls, DockerSource, EtcdOptions, EtcdServer } from './types.js';
import { flagsFor, imageTag, versionMatches } from './versions.js';

/** The folder of the TLS files in the container. */
const inside = { certFile: '/tls/cert.pem', keyFile: '/tls/key.pem', caFile: '/tls/ca.pem' } as const;

/**
 * Returns whether to look for a container engine: its socket exists, or its image was requested. It only checks files.
 */
export function engineMayRun(): boolean {
  const { DOCKER_HOST, ETCD_IMAGE_TAG, XDG_RUNTIME_DIR } = process.env;
  if (DOCKER_HOST || ETCD_IMAGE_TAG) return true;
  const sockets = ['/var/run/docker.sock', join(homedir(), '.docker/run/docker.sock'), join(XDG_RUNTIME_DIR ?? '/nowhere', 'docker.sock')];
  return sockets.some((socket) => existsSync(socket));
}

/** Finds an image that a container engine has or can pull. A string is the reason for a failure. */
export async function findDocker(asked: string | undefined): Promise<DockerSource | string> {
  const tag = process.env['ETCD_IMAGE_TAG'] || imageTag(asked);
  const version = tag.replace(/^v/, '');
  if (!versionMatches(asked, version)) return `ETCD_IMAGE_TAG is ${tag}, not ${asked}`;
  const image = `quay.io/coreos/etcd:${tag}`;
  try {
    // Loaded here, as it takes most of a second, which the other ways need not spend.
    const { getContainerRuntimeClient, ImageName } = await import('testcontainers');
    const client = await getContainerRuntimeClient();
    await client.image.pull(ImageName.fromString(image));
    return { kind: 'docker', image, version };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function command(
  source: DockerSource,
  options: EtcdOptions,
  seat: Seat,
  { endpoint, peerUrl }: { readonly endpoint: string; readonly peerUrl: string },
): string[] {
  const { clientTls: tls } = options;
  return [
    ...['etcd', '--name', seat.name, '--data-dir', '/etcd-data'],
    ...['--listen-client-urls', `${tls ? 'https' : 'http'}://0.0.0.0:2379`, '--advertise-client-urls', endpoint],
    ...['--listen-peer-urls', 'http://0.0.0.0:2380', '--initial-advertise-peer-urls', peerUrl],
    ...['--initial-cluster', seat.initialCluster ?? `${seat.name}=${peerUrl}`],
    ...(tls ? ['--cert-file', inside.certFile, '--key-file', inside.keyFile, '--trusted-ca-file', inside.caFile] : []),
    ...(tls?.clientCertAuth === true ? ['--client-cert-auth'] : []),
    ...flagsFor(source.version, options.args ?? []),
  ];
}

function withTls(container: GenericContainer, tls: ClientTls): GenericContainer {
  const files = [
    { source: tls.certFile, target: inside.certFile },
    { source: tls.keyFile, target: inside.keyFile },
    { source: tls.caFile, target: inside.caFile },
  ];
  return container.withCopyFilesToContainer(files);
}

/**
 * A member in a container, on a port of the host that stays the same after a restart. Members of a cluster reach each
 * other in `network` by name.
 */
export async function startContainer(source: DockerSource, options: EtcdOptions, seat: Seat, network?: string): Promise<EtcdServer> {
  const { GenericContainer, Wait, getContainerRuntimeClient } = await import('testcontainers');
  const client = await getContainerRuntimeClient();
  const tls = options.clientTls;
  const endpoint = `${tls ? 'https' : 'http'}://${client.info.containerRuntime.host}:${seat.clientPort}`;
  const peerUrl = `http://${network === undefined ? '127.0.0.1' : seat.name}:2380`;
  // If client certificates are required, the engine's health check fails. The log line differs between versions.
  const ready = tls ? Wait.forLogMessage(/serving .*client/) : Wait.forHttp('/health', 2379);
  let plan = new GenericContainer(source.image)
    .withCommand(command(source, options, seat, { endpoint, peerUrl }))
    .withEnvironment({ ...options.env })
    .withExposedPorts({ container: 2379, host: seat.clientPort })
    .withStartupTimeout(options.startTimeoutMs ?? START_TIMEOUT_MS)
    .withWaitStrategy(ready);
  if (tls) plan = withTls(plan, tls);
  if (network !== undefined) plan = plan.withNetworkMode(network).withNetworkAliases(seat.name);
  const started: StartedTestContainer = await plan.start();
  const handle = client.container.getById(started.getId());
  let stopped: Promise<void> | undefined;
  return {
    kind: 'docker',
    endpoint,
    peerUrl,
    version: source.version,
    name: seat.name,
    dataDir: undefined,
    pid: undefined,
    clientTls: tls,
    output: () => `docker logs ${started.getId()}`,
    stop: () => (stopped ??= started.stop({ timeout: 3000 }).then(() => undefined)),
    kill: async (signal = 'SIGKILL') => void (await handle.kill({ signal })),
    restart: async () => {
      await handle.restart({ t: 3 });
      // Used in place of the engine's own check: `/health` is false forever once an alarm is on.
      const missing = await waitReady(
        { endpoint, marks: [seat.name], tls },
        AbortSignal.timeout(options.startTimeoutMs ?? START_TIMEOUT_MS),
      );
      if (missing !== undefined) throw new Error(`etcd ${seat.name} ${missing}`);
    },
    pause: async () => void (await handle.pause()),
    resume: async () => void (await handle.unpause()),
  };
}
