import { Pool } from 'undici';
import { createClient } from '../../../../src/index.js';
import { bareCall, costOf as callCostOf } from '../../calls.js';
import { keyOf } from '../../fill.js';
import { closePeer, peerClient } from '../../peer.js';
import type { ScaleScenario, ScaleStage } from '../scenario.js';

const KEYS = 8;
const IN_FLIGHT = 16;
/** The number of bytes that a measurement moves, besides a fixed cost per call. */
const BUDGET = 40e6;
const CALL_BYTES = 100_000;
/** 0.85 of the throughput of the floor is a cost of up to 1.18 times the floor. */
const MOST = 1.18;

/** Single puts and gets of large values beside bare `undici`, which encodes and decodes them. */
export const largeValuesScenario: ScaleScenario = {
  name: 'large-values',
  of: 'bytes',
  sizes: { full: [10_000, 100_000, 1_000_000], short: [10_000, 50_000, 200_000] },
  rows: [
    { figure: 'putMs', unit: 'ms', goals: { toFloor: MOST } },
    { figure: 'putCpuMs', unit: 'ms', goals: { toFloor: MOST, exponent: 1.1 } },
    { figure: 'getMs', unit: 'ms', goals: { toFloor: MOST } },
    { figure: 'getCpuMs', unit: 'ms', goals: { toFloor: MOST, exponent: 1.1 } },
  ],
  subjects: { ours, peer, floor },
};

type Call = (key: string) => ReturnType<Parameters<typeof callCostOf>[2]>;

async function measured({ prefix, size }: ScaleStage, put: Call, get: Call): Promise<Record<string, number>> {
  const calls = Math.ceil(BUDGET / (size + CALL_BYTES));
  const key = (index: number): string => keyOf(prefix, index % KEYS);
  // Opens the connections, and writes all keys.
  await callCostOf(2 * IN_FLIGHT, IN_FLIGHT, (index) => put(key(index)));
  await callCostOf(2 * IN_FLIGHT, IN_FLIGHT, (index) => get(key(index)));
  const puts = await callCostOf(calls, IN_FLIGHT, (index) => put(key(index)));
  const gets = await callCostOf(calls, IN_FLIGHT, (index) => get(key(index)));
  return {
    putMs: 1_000 / puts.perSecond,
    putCpuMs: puts.cpuMicros / 1_000,
    getMs: 1_000 / gets.perSecond,
    getCpuMs: gets.cpuMicros / 1_000,
  };
}

async function ours(stage: ScaleStage): Promise<Record<string, number>> {
  const etcd = createClient({ endpoints: stage.endpoint, batchReads: false });
  const value = 'v'.repeat(stage.size);
  const figures = await measured(
    stage,
    (key) => etcd.kv.put(key, value),
    (key) => etcd.kv.get(key),
  );
  await etcd.close();
  return figures;
}

async function peer(stage: ScaleStage): Promise<Record<string, number>> {
  const etcd3 = peerClient(stage.endpoint);
  const value = 'v'.repeat(stage.size);
  const figures = await measured(
    stage,
    (key) => etcd3.put(key).value(value).exec(),
    (key) => etcd3.get(key).string(),
  );
  await closePeer(etcd3);
  return figures;
}

async function floor(stage: ScaleStage): Promise<Record<string, number>> {
  const pool = new Pool(stage.endpoint, { connections: 64, pipelining: 1 });
  const value = 'v'.repeat(stage.size);
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const figures = await measured(
    stage,
    (key) => bareCall(pool, '/v3/kv/put', { key: base64(key), value: base64(value) }),
    (key) => bareCall(pool, '/v3/kv/range', { key: base64(key) }),
  );
  await pool.close();
  return figures;
}
