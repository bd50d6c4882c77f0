/** Prints as JSON the open handles of a process before 1 000 calls, after them, and after `close()`. */
import { firstValueFrom, from, lastValueFrom, mergeMap, toArray, range } from 'rxjs';
import { createClient } from '../../../src/index.js';

/** Whether the standard streams are open depends on the parent process, not on the client. */
const resources = (): string[] => process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap' && name !== 'TTYWrap');

/** Sockets and immediates are gone from the list a turn after their end. */
const aTurn = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 1));

async function main(endpoint: string): Promise<void> {
  const before = resources();
  const etcd = createClient({ endpoints: endpoint, maxConnections: 8 });
  const calls = range(0, 250).pipe(
    mergeMap((index) =>
      from([
        etcd.kv.put(`handles/${index}`, ''),
        etcd.kv.get(`handles/${index}`),
        etcd.kv.delete(`handles/${index}`),
        etcd.kv.count({ all: true }, { timeoutMs: 60_000 }),
      ]),
    ),
    mergeMap((call) => call),
    toArray(),
  );
  const { length } = await lastValueFrom(calls);
  // A call that is unsubscribed leaves nothing either.
  for (let round = 0; round < 100; round++) etcd.kv.get('a', { signal: new AbortController().signal }).subscribe().unsubscribe();
  await firstValueFrom(etcd.kv.get('a'));
  await aTurn();
  const after = resources();
  await etcd.close();
  await aTurn();
  process.stdout.write(JSON.stringify({ before, after, closed: resources(), calls: length }));
}

void main(process.argv[2] ?? '');
