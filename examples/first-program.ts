/** Writes a key, reads it, and sees it change: `npx tsx examples/first-program.ts`. */
import { concat, lastValueFrom, map, take, tap } from 'rxjs';
import { createClient } from 'rxetcd';
import { puts } from 'rxetcd/operators';

const endpoints = process.env['ETCD_ENDPOINTS']?.split(',') ?? 'http://127.0.0.1:2379';
const etcd = createClient({ endpoints });

// Nothing is sent yet: each of these describes a call, and each subscription makes one.
const write = etcd.kv.put('examples/color', 'red').pipe(map(({ header }) => header.revision));
const read = etcd.kv.get('examples/color').pipe(map((kv) => kv?.value));

const revision = await lastValueFrom(write);
console.log('read', await lastValueFrom(read));

// From the revision after the write on: a watch replays what came before it was subscribed to, so nothing is lost in
// between.
const changes = etcd.watch('examples/color', { startRevision: revision + 1 }).pipe(
  puts(),
  map(({ kv }) => kv.value),
  tap((color) => console.log('seen', color)),
  take(2),
);
const writeMore = concat(etcd.kv.put('examples/color', 'green'), etcd.kv.put('examples/color', 'blue'));
await Promise.all([lastValueFrom(changes), lastValueFrom(writeMore)]);

await etcd.close();
