import { asyncScheduler } from 'rxjs';
import * as endpointMap from '../concurrency/recipes/serviceEndpoint.js';
import * as heldCaches from '../watch/cache/heldCaches.js';
import * as composition from '../watch/composed/composition.js';
import * as pages from '../services/internal/pages.js';
import { pagesModule } from '../services/kv.js';
import * as memberDiscovery from '../transport/endpoints/memberDiscovery.js';
import * as live from '../watch/live/live.js';
import { discoveryModule } from '../transport/caller.js';
import type { Client } from '../client/client.js';
import { ANYTHING, LONGEST_MS, type OptionKind, type OptionKinds, WHOLE } from '../model/validate.js';
import { checkGroup } from '../options/connectionOptions.js';
import { isAtLeast, parseVersion } from '../transport/endpoints/version.js';
import { followRxjsTime } from '../util/time.js';
import { endpointMapModule } from '../concurrency/recipes/serviceRegistry.js';
import { cacheModule, compositionModule, liveModule } from '../watch/lazyMethods.js';
import { Network } from './network.js';
import { repairTimers } from './virtualTimers.js';
import { createStore } from './store/index.js';
import { type TestClientOptions, TestServer } from './testServer.js';

/** The options of {@link createTestEtcd}. */
export interface TestEtcdOptions {
  /** The version of etcd to imitate, such as `3.4` or `3.5.30`. The default is `3.5`. */
  readonly version?: string;
  /** The number of members. They share one store. The default is 1. */
  readonly members?: number;
  /**
   * The latency of each message in each direction, in milliseconds. The default is 0; a response then arrives in the
   * same frame.
   */
  readonly latencyMs?: number;
  /** The size of the store in bytes above which writes fail with `NoSpace`. The default is 2 GiB. */
  readonly quotaBytes?: number;
  /** The options of the client. */
  readonly client?: TestClientOptions;
}

/** A version that the etcd in memory can imitate. */
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

/** A client, and the etcd in memory to which it is connected. */
export interface TestEtcd {
  /** The client. It differs from a client of `createClient` only in its connections. */
  readonly etcd: Client;
  readonly server: TestServer;
}

/**
 * Creates an etcd in memory, and a client for it. It uses only the time of RxJS, so it works in `TestScheduler.run`,
 * with fake timers, and on the real clock. If you use `TestScheduler.run`, call this function within the run, because
 * the function also corrects the timers of the run. Without this correction, two timers of the same frame may end a run
 * of RxJS 7 with "Expected a due immediate or interval".
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
  repairTimers();
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

/** Provides the modules that a client loads on demand. Virtual time cannot wait until they are loaded. */
export function preload(): void {
  endpointMapModule.provide(endpointMap);
  liveModule.provide(live);
  compositionModule.provide(composition);
  cacheModule.provide(heldCaches);
  discoveryModule.provide(memberDiscovery);
  pagesModule.provide(pages);
}
