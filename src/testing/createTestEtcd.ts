import { asyncScheduler } from 'rxjs';
import type { Client } from '../client.js';
import { followRxjsTime } from '../util/time.js';
import { Network } from './network.js';
import { preload } from './preload.js';
import { createStore } from './store/index.js';
import { type TestClientOptions, TestServer } from './testServer.js';

/** The options of {@link createTestEtcd}. */
export interface TestEtcdOptions {
  /** The version that the server behaves as, such as `3.4` or `3.5.30`. The default is `3.5`. */
  readonly version?: string;
  /** The number of members. They share one store. The default is 1. */
  readonly members?: number;
  /** The time of each message, each way, in milliseconds. The default is 0: a response comes in the same frame. */
  readonly latencyMs?: number;
  /** The size of the store in bytes above which writes fail with `NoSpace`. The default is 2 GiB. */
  readonly quotaBytes?: number;
  /** The options of the client. */
  readonly client?: TestClientOptions;
}

/** A client and the etcd that it is connected to. */
export interface TestEtcd {
  /** A client as `createClient` makes it, except for its connections. */
  readonly etcd: Client;
  readonly server: TestServer;
}

/**
 * Creates an etcd in memory, and a client of it. All its time is that of RxJS: it runs in `TestScheduler.run`, with
 * fake timers, and on the real clock.
 *
 * @throws InvalidOptionError that names the option of the client
 *
 * ```ts
 * const { etcd, server } = createTestEtcd();
 * server.put('app/color', 'red');
 * etcd.kv.get('app/color').subscribe((kv) => console.log(kv?.value));
 * // Logs: red
 * ```
 */
export function createTestEtcd({ version, members, latencyMs = 0, quotaBytes, client = {} }: TestEtcdOptions = {}): TestEtcd {
  followRxjsTime();
  preload();
  const store = createStore({
    now: () => asyncScheduler.now(),
    ...(version === undefined ? {} : { version }),
    ...(members === undefined ? {} : { members }),
    ...(quotaBytes === undefined ? {} : { quotaBytes }),
  });
  const server = new TestServer(new Network(store, latencyMs));
  return { etcd: server.createClient(client), server };
}
