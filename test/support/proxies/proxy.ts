import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readLog } from '../etcd/launch.js';
import { freePorts } from '../ports.js';
import type { Identity } from '../tls.js';
import { startWatchdog } from '../etcd/watchdog.js';
import { findProxy, type ProxyKind } from './find.js';

/** Returns the text that replaces a placeholder in a configuration of docs/proxies.md. */
const ETCD = /127\.0\.0\.1:2379/g;
const LISTEN = /127\.0\.0\.1:(8080|8443)/g;
const CERTIFICATE = '/etc/ssl/etcd.pem';
const KEY = '/etc/ssl/etcd.key';
const START_MS = 10_000;

/** A proxy to start. */
export interface ProxyOptions {
  readonly kind: ProxyKind;
  /** A configuration as in docs/proxies.md: it listens at 127.0.0.1:8080 or 8443, and etcd is at 127.0.0.1:2379. */
  readonly config: string;
  /** The endpoint of etcd: `http://127.0.0.1:23790`. */
  readonly etcd: string;
  /** Its certificate, if the configuration uses TLS. */
  readonly tls?: Identity | undefined;
}

/** A real nginx or HAProxy, as a process of this test. */
export interface Proxy {
  /** `http://127.0.0.1:12345`, or `https`. */
  readonly endpoint: string;
  /** Restarts it at the same port, with another configuration or the same; all connections end. */
  restart(config?: string): Promise<void>;
  /** Stops it, so that connections are refused. */
  end(): Promise<void>;
  /** Stops it for good. */
  stop(): Promise<void>;
  /** The end of its output. */
  output(): string;
}

/** Starts a proxy on a free port; resolves when it listens. */
export async function startProxy({ kind, config, etcd, tls }: ProxyOptions): Promise<Proxy> {
  const { file, libraries } = await findProxy(kind);
  const folder = await mkdtemp(join(tmpdir(), `rxetcd-${kind}-`));
  const watchdog = startWatchdog(folder);
  const [port = 0] = await freePorts(1);
  const scheme = config.includes('127.0.0.1:8443') ? 'https' : 'http';
  const logFile = join(folder, 'log');
  let child: ChildProcess | undefined;
  let current = config;

  const end = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  const start = async (): Promise<void> => {
    const text = current
      .replace(ETCD, new URL(etcd).host)
      .replace(LISTEN, `127.0.0.1:${port}`)
      .replaceAll(CERTIFICATE, join(folder, 'etcd.pem'))
      .replaceAll(KEY, join(folder, 'etcd.key'));
    const settings = join(folder, `${kind}.conf`);
    await writeFile(settings, kind === 'nginx' ? nginxConf(text) : text);
    const log = openSync(logFile, 'w');
    const args = kind === 'nginx' ? ['-p', folder, '-c', settings, '-e', 'stderr'] : ['-db', '-f', settings];
    const env = { ...process.env, ...(libraries === undefined ? {} : { LD_LIBRARY_PATH: libraries }) };
    child = spawn(file, args, { stdio: ['ignore', log, log], env, detached: true });
    closeSync(log);
    child.on('error', () => undefined);
    child.unref();
    watchdog.watch(child.pid);
    await listening(port, child).catch((error: unknown) => {
      throw new Error(`${kind} did not start: ${String(error)}\n${readLog(logFile)}`);
    });
  };
  const stop = async (): Promise<void> => {
    await end();
    watchdog.release();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  await mkdir(join(folder, 'tmp'));
  if (tls !== undefined) {
    const [cert, key] = await Promise.all([readFile(tls.certFile), readFile(tls.keyFile)]);
    // HAProxy requires both in one file, which nginx accepts as well.
    await Promise.all([writeFile(join(folder, 'etcd.pem'), Buffer.concat([cert, key])), writeFile(join(folder, 'etcd.key'), key)]);
  }
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    endpoint: `${scheme}://127.0.0.1:${port}`,
    restart: async (next = current) => {
      current = next;
      await end();
      await start();
    },
    end,
    stop,
    output: () => readLog(logFile, 40),
  };
}

/** One process, which does not change its user, and only writes into its own folder. */
const nginxConf = (block: string): string => `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {}
http {
  access_log off;
  client_body_temp_path tmp/body;
  proxy_temp_path tmp/proxy;
  fastcgi_temp_path tmp/fastcgi;
  uwsgi_temp_path tmp/uwsgi;
  scgi_temp_path tmp/scgi;
${block}
}
`;

async function listening(port: number, child: ChildProcess): Promise<void> {
  const until = performance.now() + START_MS;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`it ended with ${child.exitCode ?? child.signalCode}`);
    const socket = connect(port, '127.0.0.1');
    const connected = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (connected) return;
    if (performance.now() > until) throw new Error(`it did not listen within ${START_MS} ms`);
    await delay(20);
  }
}
