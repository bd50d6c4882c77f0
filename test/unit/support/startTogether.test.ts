import { createServer } from 'node:net';
import { afterAll, expect, test } from '@jest/globals';
import { findEtcd } from '../../support/etcd/index.js';
import { START_TIMEOUT_MS } from '../../support/etcd/launch.js';
import { startProcess } from '../../support/etcd/processServer.js';
import { uniqueName } from '../../support/etcd/server.js';
import { startTogether } from '../../support/etcd/startTogether.js';
import { freePorts, listenSomewhere } from '../../support/ports.js';

/** Accepts data, and never responds. */
const silent = createServer(() => undefined);
afterAll(() => void silent.close());

/**
 * The leader requests the version of all members without a timeout. So the other members are never ready either, and a
 * wait for them would last until its timeout.
 */
test('a member whose port is held by an unresponsive process fails the start of all at once', async () => {
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
