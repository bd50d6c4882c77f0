/** A config pipeline and a service registry, alive on an etcd of their own: `npx tsx examples/demo/index.ts`. */
import { concat, lastValueFrom, tap } from 'rxjs';
import { createClient } from 'rxetcd';
import { takeUntilAborted } from 'rxetcd/operators';
import { startEtcd } from '../../test/support/etcd/index.js';
import { configScene } from './configScene.js';
import { printer } from './printer.js';
import { serviceScene } from './serviceScene.js';

const INTERRUPTED = 130;
const print = printer(process.stdout);

async function demo(): Promise<void> {
  const server = await startEtcd({ own: true });
  const app = createClient({ endpoints: server.endpoint });
  const operator = createClient({ endpoints: server.endpoint });
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
  try {
    print({ who: 'demo', text: `etcd ${server.version} is up at ${server.endpoint}` });
    print({ who: 'demo', text: 'the application reads its config; the operator is another client' });
    const scenes = concat(configScene(app, operator), serviceScene(app, server.endpoint));
    await lastValueFrom(scenes.pipe(tap(print), takeUntilAborted(interrupted.signal)), { defaultValue: undefined });
  } finally {
    await Promise.all([app.close(), operator.close()]);
    await server.stop();
  }
  if (await answers(server.endpoint)) throw new Error(`etcd still answers at ${server.endpoint}`);
  print({ who: 'demo', text: 'both clients are closed, etcd is gone' });
  if (interrupted.signal.aborted) process.exitCode = INTERRUPTED;
}

/** Whether somebody is there. */
const answers = (endpoint: string): Promise<boolean> =>
  fetch(`${endpoint}/version`).then(
    () => true,
    () => false,
  );

/** A demo that has ended and is still there has left something open. */
function exitSoon(): void {
  const lateMs = 3_000;
  setTimeout(() => {
    print({ who: 'demo', text: `something keeps this process alive: ${process.getActiveResourcesInfo().join(', ')}`, tone: 'bad' });
    process.exit(1);
  }, lateMs).unref();
}

demo()
  .catch((error: unknown) => {
    print({ who: 'demo', text: error instanceof Error ? error.message : String(error), tone: 'bad' });
    process.exitCode = 1;
  })
  .finally(exitSoon);
