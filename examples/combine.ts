/** Follows a value, a range and a key together, and sees each txn whole: `npx tsx examples/combine.ts`. */
import { concat, concatMap, EMPTY, ignoreElements, lastValueFrom, of, take, tap, type Observable } from 'rxjs';
import * as t from 'io-ts';
import { createClient, del, put, type CombinedUpdate } from 'rxetcd';

const endpoints = process.env['ETCD_ENDPOINTS']?.split(',') ?? 'http://127.0.0.1:2379';
const etcd = createClient({ endpoints });

const PARTS = {
  limits: { key: 'examples/combine/limits', codec: t.type({ requests: t.number }) },
  flags: { prefix: 'examples/combine/flags/' },
  primary: { key: 'examples/combine/primary' },
};

/** The txns, each of which changes two parts. */
const TXNS = [
  { success: [put('examples/combine/limits', '{"requests":10}'), put('examples/combine/flags/beta', 'on')] },
  { success: [del('examples/combine/flags/beta'), put('examples/combine/primary', 'web-1')] },
];

function line({ value: { limits, flags, primary }, changed }: CombinedUpdate<typeof PARTS>): string {
  return `${changed.join(', ')}: ${limits?.requests ?? 'no limit'}, ${flags.size} flags, ${primary?.value ?? 'no primary'}`;
}

/** Commits the next txn. */
const commit = (index: number): Observable<never> => {
  const next = TXNS[index];
  return next === undefined ? EMPTY : etcd.kv.txn(next).pipe(ignoreElements());
};

await lastValueFrom(etcd.kv.delete({ prefix: 'examples/combine/' }));
const lines = etcd.combineLive(PARTS).pipe(
  concatMap((update, index) => concat(of(line(update)), commit(index))),
  take(1 + TXNS.length),
  tap((text) => console.log(text)),
);
await lastValueFrom(lines);

await etcd.close();
