/** Opens all that a client can have open, closes the client, and has nothing else to do: the process must end. */
import { firstValueFrom } from 'rxjs';
import { createClient } from '../../../src/index.js';

const ignore = { error: () => undefined };

async function main(endpoint: string): Promise<void> {
  const etcd = createClient({ endpoints: endpoint });
  const { id } = await firstValueFrom(etcd.lease.grant(60));
  await firstValueFrom(etcd.lease.keepAliveOnce(id));
  const watched: string[] = [];
  etcd.watch({ prefix: 'script/' }).subscribe(({ kv }) => watched.push(kv.key));
  while (watched.length === 0) await firstValueFrom(etcd.kv.put('script/watched', ''));
  await firstValueFrom(etcd.lockService.lock('script/lock', { lease: id }));
  etcd.lockService.lock('script/lock').subscribe(ignore);
  etcd.electionService.observe('script/election').subscribe(ignore);
  while ((await firstValueFrom(etcd.kv.count({ prefix: 'script/lock/' }))) < 2);
  await etcd.close();
  process.stdout.write('closed\n');
}

void main(process.argv[2] ?? '');
