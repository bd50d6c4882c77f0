/** Saves a snapshot of a server to a file, with progress and its version: `npx tsx examples/snapshot.ts backup.db`. */
import { open, rename } from 'node:fs/promises';
import { concatMap, lastValueFrom, tap } from 'rxjs';
import { createClient, type SnapshotPart } from 'rxetcd';

const endpoints = process.env['ETCD_ENDPOINTS']?.split(',') ?? 'http://127.0.0.1:2379';
const etcd = createClient({ endpoints });
const path = process.argv[2] ?? 'snapshot.db';

/** Shows how much was received, each tenth once. */
function progress(): (part: SnapshotPart) => void {
  let shown = 0;
  return ({ bytesSent, remainingBytes }) => {
    const tenths = Math.floor((10 * bytesSent) / (bytesSent + remainingBytes));
    if (tenths > shown) console.log(`${(shown = tenths) * 10} %`);
  };
}

// The file gets its name when it is whole, and only its owner may read it: it has all keys and the users.
const file = await open(`${path}.part`, 'w', 0o600);
const writing = etcd.maintenance.snapshot().pipe(
  concatMap(async (part) => {
    await file.writeFile(part.blob);
    return part;
  }),
  tap(progress()),
);
const { bytesSent, version } = await lastValueFrom(writing);
await file.sync();
await file.close();
await rename(`${path}.part`, path);
console.log(`saved ${bytesSent} bytes${version === '' ? '' : ` of storage version ${version}`}`);

await etcd.close();
