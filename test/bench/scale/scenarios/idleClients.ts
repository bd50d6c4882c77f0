import { setTimeout as after } from 'node:timers/promises';
import { filter, firstValueFrom } from 'rxjs';
import { createClient } from '../../../../src/index.js';
import { closePeer, peerClient } from '../../peer.js';
import { costOf } from '../cost.js';
import type { ScaleScenario, ScaleStage } from '../scenario.js';

/** How long the clients are idle. A stream sends a heartbeat after 12 s without a message, so once in that time. */
const IDLE_MS = 15_000;

/** Clients that each hold one watch, and do nothing else. */
export const idleClientsScenario: ScaleScenario = {
  name: 'idle-clients',
  of: 'clients',
  sizes: { full: [50, 100, 200], short: [20] },
  rounds: { full: 1, short: 1 },
  rows: [
    { figure: 'requests', unit: 'a client', goals: { atMost: 2 }, count: true },
    { figure: 'clientCpuMs', unit: 'ms' },
    { figure: 'serverCpuMs', unit: 'ms' },
  ],
  subjects: { ours, peer },
};

/** Counts the messages that the server has received on watch streams. */
async function received(endpoint: string): Promise<number> {
  const metrics = await (await fetch(`${endpoint}/metrics`)).text();
  return Number(/^grpc_server_msg_received_total\{grpc_method="Watch".* (\S+)$/m.exec(metrics)?.[1] ?? 0);
}

async function idle(stage: ScaleStage): Promise<Record<string, number>> {
  const before = await received(stage.endpoint);
  const { clientCpuMs, serverCpuMs } = await costOf(stage, () => after(IDLE_MS));
  const requests = ((await received(stage.endpoint)) - before) / stage.size;
  return { requests, clientCpuMs, serverCpuMs };
}

async function ours(stage: ScaleStage): Promise<Record<string, number>> {
  const clients = Array.from({ length: stage.size }, () => createClient({ endpoints: stage.endpoint }));
  for (const [index, client] of clients.entries()) {
    client.watch(`${stage.prefix}${index}`).subscribe();
    await firstValueFrom(client.connection$.pipe(filter(({ status }) => status === 'connected')));
  }
  const figures = await idle(stage);
  await Promise.all(clients.map((client) => client.close()));
  return figures;
}

async function peer(stage: ScaleStage): Promise<Record<string, number>> {
  const clients = Array.from({ length: stage.size }, () => peerClient(stage.endpoint));
  const watchers = await Promise.all(clients.map((client, index) => client.watch().key(`${stage.prefix}${index}`).create()));
  const figures = await idle(stage);
  for (const [index, client] of clients.entries()) await closePeer(client, watchers.slice(index, index + 1));
  return figures;
}
