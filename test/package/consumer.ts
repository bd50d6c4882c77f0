/** A user's program: it is compiled and run against the packed package, once as ESM and once as CommonJS. */
import { isRight, type Either } from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { EMPTY, type Observable } from 'rxjs';
import { createClient, isEtcdError, key, put, type Client, type ClientOptions, type WatchEvent } from 'rxetcd';
import { decodeJson, puts } from 'rxetcd/operators';

const options: ClientOptions = { endpoints: ['http://127.0.0.1:1'], requestTimeoutMs: 1000 };
const Config = t.type({ color: t.string });
const decoded: Either<t.Errors, t.TypeOf<typeof Config>> = Config.decode({ color: 'red' });

async function main(): Promise<void> {
  const etcd: Client = createClient(options);
  const events: Observable<WatchEvent> = EMPTY;
  events.pipe(puts(), decodeJson(Config)).subscribe();
  const refused = await new Promise<boolean>((resolve) => {
    etcd.kv.txn({ compare: [key('a').version.equals(0)], success: [put('a', '1')] }).subscribe({
      next: () => resolve(false),
      error: (error: unknown) => resolve(isEtcdError(error)),
    });
  });
  await etcd.close();
  console.log(refused && isRight(decoded) ? 'ok' : 'not ok');
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
