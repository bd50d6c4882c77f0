#!/usr/bin/env node
import { BlockList, isIP } from 'node:net';
import { parseArgs } from 'node:util';
import { interval, map, type Observable } from 'rxjs';
import { isEtcdError } from '../../errors/index.js';
import type { OpenWatch } from '../openWatches.js';
import type { TestLease, TestServer } from '../testServer.js';
import { readSeed } from './seed.js';
import { startTestServer } from './startTestServer.js';

const USAGE = `Usage: rxetcd dev [options]
Starts an etcd in memory behind etcd's JSON gateway, for development: not durable.

  --port 2379       the port; 0 chooses a free one
  --host 127.0.0.1  the address to listen on
  --expose          allow an address that other machines reach
  --version 3.5     the version that it behaves as, from 3.3 on
  --seed FILE       JSON with keys and values: {"app/color": "red"}
  --help            show this text
`;

/** An error in the arguments of the command. */
class UsageError extends Error {}

const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function dev(args: readonly string[]): Promise<void> {
  const { port, host, expose, version, seed, help } = optionsIn(args);
  if (help) return print(USAGE.trimEnd());
  if (!expose && !isLoopback(host)) {
    throw new UsageError(`--host: ${host} can be reached from other machines, and the server has no TLS; add --expose to allow this`);
  }
  const keys = seed === undefined ? new Map<string, string>() : readSeed(seed);
  const running = await startTestServer({ port: portIn(port), host, version });
  for (const [key, value] of keys) running.server.put(key, value);
  print(`${running.endpoint}  etcd ${version} in memory, for development: not durable`);
  if (keys.size > 0) print(`${keys.size} keys from ${seed}`);
  const activity = activityOf(running.server).subscribe({ next: (lines) => lines.forEach(print), error: fail });
  const stop = (): void => {
    activity.unsubscribe();
    void running.close().then(() => print('closed; nothing was kept'), fail);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
}

function optionsIn(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        port: { type: 'string', default: '2379' },
        host: { type: 'string', default: '127.0.0.1' },
        expose: { type: 'boolean', default: false },
        version: { type: 'string', default: '3.5' },
        seed: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    const [command, ...rest] = positionals;
    if (!values.help && (command !== 'dev' || rest.length > 0)) throw new UsageError(USAGE.trimEnd());
    return values;
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function portIn(text: string): number {
  if (!/^\d+$/.test(text)) throw new UsageError(`--port: expected a number, received ${text}`);
  return Number(text);
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

const isLoopback = (host: string): boolean =>
  host === 'localhost' || (isIP(host) !== 0 && loopback.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4'));

function fail(error: unknown): void {
  const isExpected = error instanceof UsageError || isEtcdError(error);
  process.stderr.write(`${isExpected ? error.message.replace(/^option /, '--') : String(error instanceof Error ? error.stack : error)}\n`);
  process.exitCode = 1;
}

/** The interval at which the state of the server is read, in milliseconds. */
const LOOK_MS = 250;

/**
 * Emits lines about watches that were opened or closed, and about leases that were granted or have ended. Each time it
 * also empties the record of calls, so that the record does not grow without a limit.
 */
export function activityOf(server: TestServer): Observable<readonly string[]> {
  let watches: ReadonlySet<OpenWatch> = new Set();
  let leases: ReadonlyMap<string, TestLease> = new Map();
  return interval(LOOK_MS).pipe(
    map(() => {
      server.calls.length = 0;
      const before = { watches, leases };
      watches = new Set(server.watches);
      leases = new Map(server.leases.map((lease) => [lease.id, lease]));
      return [
        ...added(before.watches, watches).map((watch) => `watch + ${shownWatch(watch)} (${watches.size} open)`),
        ...added(watches, before.watches).map((watch) => `watch - ${shownWatch(watch)} (${watches.size} open)`),
        ...added(before.leases.keys(), leases.keys()).map((id) => `lease + ${id} ttl ${leases.get(id)?.ttl} s (${leases.size} held)`),
        ...added(leases.keys(), before.leases.keys()).map((id) => `lease - ${id} (${leases.size} held)`),
      ];
    }),
  );
}

/** Returns the items that are only in the second list. */
function added<T>(before: Iterable<T>, after: Iterable<T>): readonly T[] {
  const known = new Set(before);
  return [...after].filter((item) => !known.has(item));
}

function shownWatch({ key, rangeEnd, startRevision }: OpenWatch): string {
  const range = rangeEnd === undefined ? JSON.stringify(key) : `${JSON.stringify(key)} to ${JSON.stringify(rangeEnd)}`;
  return startRevision === undefined ? range : `${range} from revision ${startRevision}`;
}

dev(process.argv.slice(2)).catch(fail);
