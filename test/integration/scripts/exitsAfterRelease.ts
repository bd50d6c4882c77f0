import { createClient, hold } from '../../../src/index.js';
import { switchMap } from 'rxjs';

const etcd = createClient({ endpoints: process.argv[2] ?? '' });
const { promises } = etcd;
const session = await hold(etcd.session({ ttl: 600 }));
const all = [
  await hold(etcd.lock('exit/lock', { ttl: 600 })),
  await hold(etcd.lock('exit/reentrant', { ttl: 600, reentrant: 'process' })),
  await hold(etcd.lock('exit/session', { session: session.value })),
  await hold(etcd.semaphore('exit/semaphore', 2, { ttl: 600 })),
  await hold(etcd.election('exit/election').campaign('me', { ttl: 600 })),
  await hold(etcd.services('exit/service').register('a', { addr: 'a:1', ttl: 600 })),
  await hold(etcd.announce('exit/announced', '1', { ttl: 600 })),
  await hold(etcd.lease({ ttl: 600 }).pipe(switchMap(({ id }) => etcd.kv.put('exit/lease', '', { lease: id })))),
];
// The test deletes its key, and not its lease: the loss revokes the lease.
const lost = await hold(etcd.lock('exit/lost', { ttl: 600 }));
await promises.kv.put('exit/lost-too', '', { lease: lost.value.lease });
await promises.kv.delete(lost.value.key);
await lost.lost.catch(() => undefined);
await lost.release();
await Promise.all([...all, session].map((held) => held.release()));
process.stdout.write('released\n', () => process.exit());
