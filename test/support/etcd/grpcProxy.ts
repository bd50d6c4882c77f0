import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../ports.js';
import { findEtcd } from './find.js';
import { getText } from './http.js';
import { START_TIMEOUT_MS } from './launch.js';
import { cleanEnv } from './run.js';
import { startWatchdog } from './watchdog.js';

/** A running `etcd grpc-proxy`. */
export interface GrpcProxy {
  readonly endpoint: string;
  stop(): Promise<void>;
}

/** Starts `etcd grpc-proxy` before a server, with the binary that tests of this version use. */
export async function startGrpcProxy(server: string): Promise<GrpcProxy> {
  const source = await findEtcd({ asProcess: true });
  if (source.kind !== 'binary') throw new Error('a grpc-proxy needs the etcd binary');
  const [port = 0] = await freePorts(1);
  const address = `127.0.0.1:${port}`;
  const folder = await mkdtemp(join(tmpdir(), 'rxetcd-grpc-proxy-'));
  const watchdog = startWatchdog(folder);
  const args = ['grpc-proxy', 'start', '--endpoints', server, '--listen-addr', address, '--advertise-client-url', address];
  const child = spawn(source.etcd, args, { stdio: 'ignore', env: cleanEnv(), cwd: folder });
  watchdog.watch(child.pid);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill();
    await ended;
    watchdog.release();
    await rm(folder, { recursive: true, force: true });
  };
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const missing = await getText(`http://${address}/health`).then(() => undefined, String);
    if (missing === undefined) return { endpoint: `http://${address}`, stop };
    if (child.exitCode !== null || performance.now() > deadline) {
      await stop();
      throw new Error(`the grpc-proxy was not ready: ${missing}`);
    }
    await delay(50);
  }
}
