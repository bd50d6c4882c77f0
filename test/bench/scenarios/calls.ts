import type { Observable } from 'rxjs';
import { Pool } from 'undici';
import { createClient, type Client, type ClientOptions } from '../../../src/index.js';
import { bareCall, costOf } from '../calls.js';
import { fill, keyOf, VALUE } from '../fill.js';
import { peerClient, type Peer } from '../peer.js';
import type { Figures, Scenario, Target } from '../scenario.js';

const PREFIX = 'bench/calls/';
const KEYS = 1_000;
/** The number of connections, the same for ours and the floor: the difference is the cost of the client. */
const CONNECTIONS = 64;
const TRIAL_CALLS = 200;

/** A call, by each client and without one. */
interface Verb {
  ours(etcd: Client, key: string): Observable<unknown>;
  peer(peer: Peer, key: string): Promise<unknown>;
  floor(pool: Pool, key: string): Promise<unknown>;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const put: Verb = {
  ours: (etcd, key) => etcd.kv.put(key, VALUE),
  peer: (peer, key) => peer.put(key).value(VALUE).exec(),
  floor: (pool, key) => bareCall(pool, '/v3/kv/put', { key: base64(key), value: base64(VALUE) }),
};

const get: Verb = {
  ours: (etcd, key) => etcd.kv.get(key),
  peer: (peer, key) => peer.get(key).exec(),
  floor: (pool, key) => bareCall(pool, '/v3/kv/range', { key: base64(key) }),
};

/** The goals in calls per second and in CPU per call, and the options of the client that differ from the defaults. */
interface Terms {
  readonly speed: Target;
  readonly cpu?: Target;
  readonly options?: ClientOptions;
}

/** Measures calls per second, and the CPU of one call in the client's process. */
function calls(name: string, verb: Verb, inFlight: number, { speed, cpu, options }: Terms): Scenario {
  return {
    name,
    rows: [
      { name, unit: 'calls/s', better: 'more', target: speed },
      { name: `cpu-${name}`, unit: 'µs/call', better: 'less', ...(cpu && { target: cpu }) },
    ],
    rounds: { full: 25, quick: 5, warmUp: 2 },
    prepare: async ({ server: { endpoint }, quick }) => {
      const etcd = createClient({ endpoints: endpoint, maxConnections: CONNECTIONS, ...options });
      const peer = peerClient(endpoint);
      const pool = new Pool(endpoint, { connections: CONNECTIONS });
      await fill(etcd, PREFIX, KEYS);
      const floor = (index: number) => verb.floor(pool, keyOf(PREFIX, index % KEYS));
      // The number of calls that take this machine, in its present state, about as long as a round should take.
      const { perSecond: pace } = await costOf(TRIAL_CALLS * Math.min(inFlight, 10), inFlight, floor);
      const count = Math.ceil(pace * (quick ? 0.15 : 0.6));
      const measured = async (call: (index: number) => Observable<unknown> | Promise<unknown>): Promise<Figures> => {
        const { perSecond, cpuMicros } = await costOf(count, inFlight, call);
        return { [name]: perSecond, [`cpu-${name}`]: cpuMicros };
      };
      return {
        sides: {
          ours: () => measured((index) => verb.ours(etcd, keyOf(PREFIX, index % KEYS))),
          peer: () => measured((index) => verb.peer(peer, keyOf(PREFIX, index % KEYS))),
          floor: () => measured(floor),
        },
        end: async () => {
          peer.close();
          await Promise.all([etcd.close(), pool.destroy()]);
        },
      };
    },
  };
}

/** `single`: one request per call, though concurrent reads would otherwise share one. */
export const callScenarios: readonly Scenario[] = [
  calls('put-64', put, 64, { speed: { toPeer: 1.2, toFloor: 0.85 }, cpu: { toPeer: 0.4, toFloor: 1.4 } }),
  calls('get-64-single', get, 64, {
    speed: { toPeer: 1.4, toFloor: 0.85 },
    cpu: { toPeer: 0.4, toFloor: 1.4 },
    options: { batchReads: false },
  }),
  calls('get-64', get, 64, { speed: { toPeer: 3 } }),
  calls('put-1', put, 1, { speed: { toPeer: 1, toFloor: 0.85 } }),
  calls('get-1', get, 1, { speed: { toPeer: 1, toFloor: 0.85 } }),
];
