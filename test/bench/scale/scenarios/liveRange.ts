import { filter, firstValueFrom, lastValueFrom, map, reduce, Subject, takeUntil, type Observable } from 'rxjs';
import { createClient, type Client, type LiveUpdate } from '../../../../src/index.js';
import { putAll } from '../../../../operators/index.js';
import { keyOf } from '../../fill.js';
import { closePeer, peerClient } from '../../peer.js';
import { costOf } from '../cost.js';
import type { ScaleScenario, ScaleStage } from '../scenario.js';

/** Small values, so that the cost of the pages is visible. */
const VALUE = 'v'.repeat(64);
const OPS = 1_000;
/** An address without a listener. */
const NOWHERE = 'http://127.0.0.1:9';
/** The server needs long for a compaction of many revisions, and for a response with a million keys. */
const PATIENT = { requestTimeoutMs: 120_000, attemptTimeoutMs: 60_000 };

/**
 * A live range: its list, and the list that follows when its history was compacted. The floor is one response with all
 * keys.
 */
export const liveRangeScenario: ScaleScenario = {
  name: 'live-range',
  of: 'keys',
  sizes: { full: [100_000, 300_000, 1_000_000], short: [10_000, 30_000, 90_000] },
  rounds: { full: 2, short: 1 },
  serverArgs: [`--max-txn-ops=${OPS}`],
  rows: [
    { figure: 'serverCpuMs', unit: 'ms', goals: { exponent: 1.1, toFloor: 1.5 } },
    { figure: 'clientCpuMs', unit: 'ms', goals: { exponent: 1.1 } },
    { figure: 'longestStallMs', unit: 'ms', goals: { atMost: 100 } },
    { figure: 'resyncStallMs', unit: 'ms', goals: { atMost: 100 } },
    // For each page, the server counts the rest of the range: with pages of 1 000 keys it would count each of 100 000 keys
    // 50 times.
    { figure: 'countedPerKey', unit: 'keys', goals: { atMost: 20 }, count: true },
  ],
  prepare: fill,
  subjects: { ours, peer, floor },
};

async function fill({ endpoint, prefix, size }: ScaleStage): Promise<void> {
  const etcd = createClient({ endpoints: endpoint });
  function* entries() {
    for (let index = 0; index < size; index++) yield { key: keyOf(prefix, index), value: VALUE };
  }
  await lastValueFrom(putAll(etcd.kv, entries(), { maxOps: OPS }));
  await etcd.close();
}

async function ours(stage: ScaleStage): Promise<Record<string, number>> {
  const { endpoint, prefix, size } = stage;
  const etcd = createClient({ endpoints: endpoint, ...PATIENT });
  const direct = createClient({ endpoints: endpoint, ...PATIENT });
  const counted = await lastValueFrom(etcd.kv.pages({ prefix }).pipe(reduce((sum, { count }) => sum + count, 0)));

  const updates = new Subject<LiveUpdate>();
  const left = new Subject<void>();
  const listed = firstValueFrom(updates);
  const cost = await costOf(stage, async () => {
    etcd.live({ prefix }).pipe(takeUntil(left)).subscribe(updates);
    check(size, (await listed).state.size);
  });
  const resynced = firstValueFrom(updates.pipe(filter(({ type }) => type === 'resync')));
  await loseHistory(etcd, direct, keyOf(prefix, 0));
  const { longestStallMs: resyncStallMs } = await costOf(stage, async () => {
    etcd.setEndpoints([endpoint]);
    check(size, (await resynced).state.size);
  });
  left.next();
  await Promise.all([etcd.close(), direct.close()]);
  return { ...cost, resyncStallMs, countedPerKey: counted / size };
}

/** Disconnects the watches of a client, and compacts the revisions that follow. */
async function loseHistory(etcd: Client, direct: Client, key: string): Promise<void> {
  const lost = firstValueFrom(etcd.connection$.pipe(filter(({ status }) => status === 'reconnecting')));
  etcd.setEndpoints([NOWHERE]);
  await lost;
  const put = (): Observable<number> => direct.kv.put(key, VALUE).pipe(map(({ header }) => header.revision));
  await firstValueFrom(put());
  const revision = await firstValueFrom(put());
  await firstValueFrom(direct.kv.compact(revision, { physical: true }));
}

async function peer(stage: ScaleStage): Promise<Record<string, number>> {
  const client = peerClient(stage.endpoint, { grpcOptions: { 'grpc.max_receive_message_length': -1 } });
  const cost = await costOf(stage, async () => check(stage.size, Object.keys(await client.getAll().prefix(stage.prefix).strings()).length));
  await closePeer(client);
  return { ...cost };
}

async function floor(stage: ScaleStage): Promise<Record<string, number>> {
  const etcd = createClient({ endpoints: stage.endpoint, maxResponseBytes: 2 ** 29 - 24, ...PATIENT });
  const cost = await costOf(stage, async () =>
    check(stage.size, (await firstValueFrom(etcd.kv.range({ prefix: stage.prefix }))).kvs.length),
  );
  await etcd.close();
  return { ...cost };
}

function check(size: number, received: number): void {
  if (received !== size) throw new Error(`live-range: expected ${size} keys, received ${received}`);
}
