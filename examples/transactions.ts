/**
 * Compares and writes in one step; the type of the result follows the operations: `npx tsx examples/transactions.ts`.
 */
import { concat, lastValueFrom, map, tap, type Observable } from 'rxjs';
import { createClient, del, get, key, put } from 'rxetcd';

const endpoints = process.env['ETCD_ENDPOINTS']?.split(',') ?? 'http://127.0.0.1:2379';
const etcd = createClient({ endpoints });

/** Creates the key, unless another client was faster; returns its owner. */
const claim = (name: string): Observable<string> =>
  etcd.kv
    .txn({
      compare: [key('examples/owner').missing()],
      success: [put('examples/owner', name)],
      failure: [get('examples/owner')],
    })
    .pipe(map((result) => (result.succeeded ? `${name} owns it` : `${name} lost to ${result.responses[0]?.value}`)));

/** Deletes the key and leaves a note, if this client still owns it. */
const release = (name: string): Observable<string> =>
  etcd.kv
    .txn({
      compare: [key('examples/owner').value.equals(name)],
      success: [del('examples/owner'), put('examples/last-owner', name)],
    })
    .pipe(map((result) => (result.succeeded ? `${name} deleted ${result.responses[0].deleted} key` : `${name} does not own it`)));

await lastValueFrom(etcd.kv.delete('examples/owner'));
await lastValueFrom(concat(claim('ann'), claim('bob'), release('bob'), release('ann')).pipe(tap((line) => console.log(line))));

await etcd.close();
