/**
 * A config pipeline and a service registry, alive on an etcd: `npm run demo`, or `npx tsx examples/demo/index.ts` for
 * the etcd at `ETCD_ENDPOINTS`.
 */
import { concat, lastValueFrom, tap } from 'rxjs';
import { createClient } from 'rxetcd';
import { takeUntilAborted } from 'rxetcd/operators';
import { configScene } from './configScene.js';
import { printer } from './printer.js';
import { serviceScene } from './serviceScene.js';

const INTERRUPTED = 130;
const [endpoint = ''] = (process.env['ETCD_ENDPOINTS'] ?? 'http://127.0.0.1:2379').split(',');
const print = printer(process.stdout);

const app = createClient({ endpoints: endpoint });
const operator = createClient({ endpoints: endpoint });
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
try {
  print({ who: 'demo', text: 'the application reads its config; the operator is another client' });
  const scenes = concat(configScene(app, operator), serviceScene(app, endpoint));
  await lastValueFrom(scenes.pipe(tap(print), takeUntilAborted(interrupted.signal)), { defaultValue: undefined });
} catch (error) {
  print({ who: 'demo', text: error instanceof Error ? error.message : String(error), tone: 'bad' });
  process.exitCode = 1;
} finally {
  await Promise.all([app.close(), operator.close()]);
}
print({ who: 'demo', text: 'both clients are closed' });
if (interrupted.signal.aborted) process.exitCode = INTERRUPTED;
