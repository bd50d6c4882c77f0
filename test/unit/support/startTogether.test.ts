import { createServer } from 'node:net';
import { afterAll, expect, test } from '@jest/globals';
import { findEtcd } from '../../support/etcd/index.js';
import { START_TIMEOUT_MS } from '../../support/etcd/launch.js';
import { startProcess } from '../../support/etcd/processServer.js';
import { uniqueName } from '../../support/etcd/server.js';
import { startTogether } from '../../support/etcd/startTogether.js';
import { freePorts, listenSomewhere } from '../../support/ports.js';

/** Takes what is said, and never answers. */
const silent = createServer(() => undefined);
afterAll(() => void silent.close());

/**
 * The leader asks all members for their version and has no limit for it. So the others are never ready either, and to wait for them
 * would take as long as they may take.
 */
test('a member whose port is held by somebody silent ends the start of all, at once', async () => {
  const source = await findEtcd({ asProcess: true });
  if (source.kind !== 'binary') throw new Error('a process was asked for');
  const held = await listenSomewhere(silent);
  const ports = [...(await freePorts(5)), held];
  const cluster = uniqueName();
  const seats = [0, 1, 2].map((n) => ({ name: `${cluster}-${n}`, clientPort: ports[n] ?? 0, peerPort: ports[n + 3] ?? 0 }));
  const initialCluster = seats.map(({ name, peerPort }) => `${name}=http://127.0.0.1:${peerPort}`).join(',');
  const begin = performance.now();
  const start = startTogether(seats, (seat, signal) => startProcess(source, { signal }, { ...seat, initialCluster }));
  await expect(start).rejects.toMatchObject({ name: 'LaunchError', portTaken: true });
  expect(performance.now() - begin).toBeLessThan(START_TIMEOUT_MS / 2);
});
