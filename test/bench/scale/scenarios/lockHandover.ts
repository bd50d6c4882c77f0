import { firstValueFrom, take } from 'rxjs';
import { createClient, type Client } from '../../../../src/index.js';
import type { ScaleScenario, ScaleStage } from '../scenario.js';
import { costOf } from '../cost.js';

const HANDOVERS = 200;

/** A lock that clients hand over: each acquires it, releases it, and waits for it again at once. */
export const lockHandoverScenario: ScaleScenario = {
  name: 'lock-handover',
  of: 'clients',
  sizes: { full: [5, 10, 20], short: [10] },
  rows: [
    { figure: 'watchMessages', unit: 'messages/hand-over', count: true, goals: { atMost: 8 } },
    { figure: 'serverCpuMs', unit: 'ms/hand-over' },
  ],
  rounds: { full: 1, short: 1 },
  subjects: { ours },
};

async function ours(stage: ScaleStage): Promise<Record<string, number>> {
  const { endpoint, prefix, size } = stage;
  const clients = Array.from({ length: size }, () => createClient({ endpoints: endpoint }));
  const direct = createClient({ endpoints: endpoint });
  const before = await watchMessages(direct);
  let handovers = 0;
  const { serverCpuMs } = await costOf(stage, () =>
    Promise.all(
      clients.map(async (client) => {
        while (handovers < HANDOVERS) {
          await firstValueFrom(client.lock(`${prefix}lock`).pipe(take(1)));
          handovers += 1;
        }
      }),
    ),
  );
  const messages = (await watchMessages(direct)) - before;
  await Promise.all([direct, ...clients].map((client) => client.close()));
  return { watchMessages: messages / handovers, serverCpuMs: serverCpuMs / handovers };
}

/** Returns the number of messages that the server has received for watches. */
async function watchMessages(etcd: Client): Promise<number> {
  const families = await firstValueFrom(etcd.metrics());
  const received = families.find(({ name }) => name === 'grpc_server_msg_received_total');
  return received?.samples.find(({ labels }) => labels['grpc_method'] === 'Watch')?.value ?? 0;
}
