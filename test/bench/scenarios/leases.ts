import { setTimeout as delay } from 'node:timers/promises';
import { connectable, filter, lastValueFrom, mergeMap, range, take } from 'rxjs';
import { Pool } from 'undici';
import { createClient } from '../../../src/index.js';
import { bareStream } from '../bareStream.js';
import { bareCall } from '../calls.js';
import { cpuWatch } from '../cpu.js';
import { peerClient } from '../peer.js';
import type { Figures, Scenario } from '../scenario.js';
import { socketsScenario } from '../sockets.js';

const NAME = 'leases-1000';
const LEASES = 1_000;
const TTL = 10;
const MEASURED_MS = 10_000;
/** Refreshes are due every third of the TTL. The measurement begins between two of them. */
const SETTLE_MS = 1_000;
const IDLE_MS = 200;

/** A thousand held leases: the cost of their refreshes in this process. */
export const leasesScenario: Scenario = {
  name: NAME,
  rows: [{ name: NAME, unit: 'ms CPU/10 s', better: 'less', target: { toPeer: 0.5 } }],
  slow: true,
  rounds: { full: 3, quick: 1, warmUp: 1 },
  prepare: async ({ server: { endpoint } }) => ({
    sides: {
      ours: () => measured(() => holdOurs(endpoint)),
      peer: () => measured(() => holdPeer(endpoint)),
      floor: () => measured(() => holdBare(endpoint)),
    },
    end: async () => undefined,
  }),
};

/** The connections that the held leases use. */
export const leasesSocketsScenario: Scenario = { ...socketsScenario(`${NAME}-sockets`, { ours: holdOurs, peer: holdPeer }), slow: true };

interface Held {
  end(): Promise<unknown>;
}

async function measured(hold: () => Promise<Held>): Promise<Figures> {
  const { end } = await hold();
  const spent = cpuWatch();
  await delay(MEASURED_MS);
  const micros = spent();
  await end();
  return { [NAME]: micros / 1000 };
}

async function holdOurs(endpoint: string): Promise<Held> {
  const etcd = createClient({ endpoints: endpoint, keepAliveMs: IDLE_MS });
  const events = connectable(range(0, LEASES).pipe(mergeMap(() => etcd.lease({ ttl: TTL }))));
  const granted = lastValueFrom(
    events.pipe(
      filter(({ type }) => type === 'granted'),
      take(LEASES),
    ),
  );
  const holding = events.connect();
  await granted;
  await delay(SETTLE_MS);
  return {
    end: () => {
      holding.unsubscribe();
      return etcd.close();
    },
  };
}

async function holdPeer(endpoint: string): Promise<Held> {
  const peer = peerClient(endpoint);
  const leases = Array.from({ length: LEASES }, () => peer.lease(TTL));
  await Promise.all(leases.map((lease) => lease.grant()));
  await delay(SETTLE_MS);
  return {
    end: async () => {
      await Promise.all(leases.map((lease) => lease.revoke()));
      peer.close();
    },
  };
}

/** Holds all leases on one WebSocket, refreshes each equally often, and parses each response. */
async function holdBare(endpoint: string): Promise<Held> {
  const pool = new Pool(endpoint, { connections: 64 });
  const granted = await Promise.all(Array.from({ length: LEASES }, () => bareCall(pool, '/v3/lease/grant', { TTL: String(TTL) })));
  const ids = (granted as readonly { readonly ID: string }[]).map(({ ID }) => ID);
  const stream = await bareStream(endpoint, '/v3/lease/keepalive', () => undefined);
  const refreshing = setInterval(() => ids.forEach((ID) => stream.send({ ID })), (TTL * 1000) / 3);
  await delay(SETTLE_MS);
  return {
    end: async () => {
      clearInterval(refreshing);
      stream.close();
      await Promise.all(ids.map((ID) => bareCall(pool, '/v3/lease/revoke', { ID })));
      await pool.destroy();
    },
  };
}
