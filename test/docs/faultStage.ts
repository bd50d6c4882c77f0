/**
 * Runs blocks of the docs concurrently, each with a separate client `etcd`, and reports the output and the end of each.
 * `faults.test.ts` starts it, and causes faults while it runs; they exchange messages.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { format } from 'node:util';
import { config } from 'rxjs';
import { createClient, isEtcdError, type Client } from '../../src/index.js';

/** The task. */
export type Order =
  | { readonly type: 'perform'; readonly place: string; readonly file: string; readonly endpoint: string; readonly prefix: string }
  | { readonly type: 'close' };

/** The result of a block. */
export type News =
  | { readonly type: 'ready' }
  | { readonly type: 'shown'; readonly place: string; readonly line: string }
  /** An error that the block does not catch: its reason, or its message if it is not an EtcdError. */
  | { readonly type: 'failed'; readonly place: string; readonly reason: string };

/** The variables of a block. */
export interface Around {
  readonly etcd: object;
  readonly console: Pick<Console, 'log' | 'warn'>;
}

declare global {
  var around: (place: string) => Around;
}

const clients = new Map<string, Client>();
const surroundings = new Map<string, Around>();
const running = new AsyncLocalStorage<string>();
const tell = (news: News): void => void process.send?.(news);
const failed = (place: string | undefined, error: unknown): void =>
  tell({ type: 'failed', place: place ?? 'nobody knows where', reason: isEtcdError(error) ? error.reason : String(error) });

globalThis.around = (place) => surroundings.get(place) ?? { etcd: {}, console };
config.onUnhandledError = (error: unknown) => failed(running.getStore(), error);
process.on('uncaughtException', (error) => failed(running.getStore(), error));
process.on('unhandledRejection', (error) => failed(running.getStore(), error));

function perform({ place, file, endpoint, prefix }: Extract<Order, { type: 'perform' }>): void {
  const show = (...words: unknown[]): void => {
    for (const line of format(...words).split('\n')) tell({ type: 'shown', place, line });
  };
  running.run(place, () => {
    const client = createClient({ endpoints: endpoint });
    clients.set(place, client);
    surroundings.set(place, { etcd: client.namespace(prefix), console: { log: show, warn: show } });
    import(file).catch((error: unknown) => failed(place, error));
  });
}

process.on('message', (order: Order) => {
  if (order.type === 'perform') perform(order);
  else
    void Promise.all([...clients].map(([place, client]) => running.run(place, () => client.close()))).then(() => {
      // From here on, only a leaked handle keeps the process alive.
      process.disconnect();
    });
});
tell({ type: 'ready' });
