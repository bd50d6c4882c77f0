/** A user's program: it is compiled and run against the packed package, once as ESM and once as CommonJS. */
import { isRight, type Either } from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { EMPTY, Observable } from 'rxjs';
import { createClient, EtcdError, isEtcdError, key, put, type Client, type ClientOptions, type WatchEvent } from 'rxetcd';
import { decodeJson, puts, retryBackoff } from 'rxetcd/operators';

const options: ClientOptions = { endpoints: ['http://127.0.0.1:1'], requestTimeoutMs: 1000 };
const Config = t.type({ color: t.string });
const decoded: Either<t.Errors, t.TypeOf<typeof Config>> = Config.decode({ color: 'red' });

/** The operators use the errors of the client. */
function isOurError(): boolean {
  try {
    retryBackoff({ initialMs: -1 });
    return false;
  } catch (error) {
    return error instanceof EtcdError;
  }
}

async function main(): Promise<void> {
  const etcd: Client = createClient(options);
  const events: Observable<WatchEvent> = EMPTY;
  events.pipe(puts(), decodeJson(Config)).subscribe();
  // The user's own rxjs.
  const isOurs = etcd.kv.get('a') instanceof Observable && isOurError();
  const refused = await new Promise<boolean>((resolve) => {
    etcd.kv.txn({ compare: [key('a').version.equals(0)], success: [put('a', '1')] }).subscribe({
      next: () => resolve(false),
      error: (error: unknown) => resolve(isEtcdError(error)),
    });
  });
  await etcd.close();
  console.log(refused && isOurs && isRight(decoded) ? 'ok' : 'not ok');
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
