/**
 * Runs blocks of the docs side by side, each with a client `etcd` of its own around it, and says what each shows and what it ends in. Started by `faults.test.ts`, which
 * breaks things meanwhile; it talks to it by messages.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { format } from 'node:util';
import { config } from 'rxjs';
import { createClient, isEtcdError, type Client } from '../../src/index.js';

/** What is to be done. */
export type Order =
  | { readonly type: 'perform'; readonly place: string; readonly file: string; readonly endpoint: string; readonly prefix: string }
  | { readonly type: 'close' };

/** What became of a block. */
export type News =
  | { readonly type: 'ready' }
  | { readonly type: 'shown'; readonly place: string; readonly line: string }
  /** An error that the block does not catch: its reason, or what it says where it is none of etcd's. */
  | { readonly type: 'failed'; readonly place: string; readonly reason: string };

/** What a block finds around it. */
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
      // Nothing keeps the process alive now but what was left behind.
      process.disconnect();
    });
});
tell({ type: 'ready' });
