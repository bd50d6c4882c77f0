import { asyncScheduler } from 'rxjs';
import type { Client } from '../client/client.js';
import { ANYTHING, LONGEST_MS, type OptionKind, type OptionKinds, WHOLE } from '../model/validate.js';
import { checkGroup } from '../options/connectionOptions.js';
import { isAtLeast, parseVersion } from '../transport/endpoints/version.js';
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

/** A version that the etcd in memory knows. */
export const TEST_VERSION: OptionKind = {
  what: 'a version of etcd from 3.3 on, such as 3.5 or 3.5.30',
  is: (value) => {
    const version = typeof value === 'string' ? parseVersion(value) : undefined;
    return version !== undefined && isAtLeast(version, '3.3');
  },
};

const OPTIONS: OptionKinds<TestEtcdOptions> = {
  version: TEST_VERSION,
  members: WHOLE,
  latencyMs: {
    what: 'a number of milliseconds from 0',
    is: (value) => typeof value === 'number' && value >= 0 && value <= LONGEST_MS,
    numeric: true,
  },
  quotaBytes: WHOLE,
  client: ANYTHING,
};

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
 * @throws InvalidOptionError that names the option
 *
 * ```ts
 * const { etcd, server } = createTestEtcd();
 * server.put('app/color', 'red');
 * etcd.kv.get('app/color').subscribe((kv) => console.log(kv?.value));
 * // Logs: red
 * ```
 */
export function createTestEtcd(options: TestEtcdOptions = {}): TestEtcd {
  const { version, members, latencyMs = 0, quotaBytes, client = {} } = checkGroup('', options, OPTIONS);
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
