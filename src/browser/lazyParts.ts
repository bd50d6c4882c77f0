import { map, type Observable, of } from 'rxjs';
import { checkedArguments } from '../concurrency/arguments.js';
import type { Coordination, Holding } from '../concurrency/coordination.js';
import type { CloseSummary } from '../concurrency/lease/cleanup.js';
import type { Parts, Administration } from '../options/parts.js';
import { handOver, LazyModule } from '../util/rx.js';
import { visibility$ } from './host.js';

// Most pages only read and watch keys. They need neither locks nor the list of members. The code for both is a quarter
// of the package. It is in one module, as several small files would cost more than they save.
const { module$ } = new LazyModule(() => import('../options/parts.js'));

const NOTHING_HELD: CloseSummary = { released: 0, unreleased: [] };

/** Creates the methods for leases, locks and the like. Their code is loaded on first use. */
const holding: Parts['holding'] = (deps) => {
  let held: Holding | undefined;
  const held$ = module$.pipe(map(({ parts }) => (held ??= parts.holding({ ...deps, hurry: visibility$ }))));
  return {
    cleanup: {
      settled: (timeoutMs) => held?.cleanup.settled(timeoutMs) ?? of(undefined),
      summary: () => held?.cleanup.summary() ?? NOTHING_HELD,
    },
    over: (keys) => {
      let methods: Coordination | undefined;
      return coordinationOf(held$.pipe(map((loaded) => (methods ??= loaded.over(keys)))));
    },
  };
};

function coordinationOf(loaded$: Observable<Coordination>): Coordination {
  const from = <T>(select: (loaded: Coordination) => T): Observable<T> => loaded$.pipe(map(select));
  const lease$ = from(({ lease }) => lease);
  return {
    ...methodsOf(loaded$, 'session', 'announce', 'lock', 'tryLock', 'lockWaiters', 'whenUnlocked', 'readLock', 'writeLock'),
    ...methodsOf(loaded$, 'semaphore', 'stm', 'update'),
    lease: Object.assign(
      methodsOf(loaded$, 'lease').lease,
      methodsOf(lease$, 'grant', 'revoke', 'timeToLive', 'leases', 'keepAliveOnce', 'adopt'),
    ),
    lockService: methodsOf(
      from(({ lockService }) => lockService),
      'lock',
      'unlock',
    ),
    electionService: methodsOf(
      from(({ electionService }) => electionService),
      ...(['campaign', 'proclaim', 'leader', 'observe', 'resign'] as const),
    ),
    election: (name) => {
      checkedArguments.election(name);
      const election$ = from((loaded) => loaded.election(name));
      return { name, ...methodsOf(election$, 'campaign'), leader$: handOver(election$, ({ leader$ }) => leader$) };
    },
    barrier: (name) => {
      checkedArguments.barrier(name);
      const barrier$ = from((loaded) => loaded.barrier(name));
      return { name, ...methodsOf(barrier$, 'hold', 'release', 'wait') };
    },
    doubleBarrier: (name, count) => {
      checkedArguments.doubleBarrier(name, count);
      const barrier$ = from((loaded) => loaded.doubleBarrier(name, count));
      return { name, count, ...methodsOf(barrier$, 'enter') };
    },
    queue: (name) => {
      checkedArguments.queue(name);
      const queue$ = from((loaded) => loaded.queue(name));
      return { name, ...methodsOf(queue$, 'enqueue', 'dequeue') };
    },
    priorityQueue: (name) => {
      checkedArguments.priorityQueue(name);
      const queue$ = from((loaded) => loaded.priorityQueue(name));
      return { name, ...methodsOf(queue$, 'enqueue', 'dequeue') };
    },
    services: (target, options = {}) => {
      checkedArguments.services(target, options);
      const services$ = from((loaded) => loaded.services(target, options));
      return {
        target,
        ...methodsOf(services$, 'register', 'list', 'update', 'delete'),
        endpoints$: handOver(services$, ({ endpoints$ }) => endpoints$),
      };
    },
  };
}

/**
 * Creates the methods for administration: of the server, `auth`, `cluster` and `maintenance`. Their code is loaded on
 * first use.
 */
const administration: Parts['administration'] = (caller) => {
  let methods: Administration | undefined;
  const loaded$ = module$.pipe(map(({ parts }) => (methods ??= parts.administration(caller))));
  const from = <T>(select: (loaded: Administration) => T): Observable<T> => loaded$.pipe(map(select));
  return {
    ...methodsOf(loaded$, 'version', 'health', 'livez', 'readyz', 'metrics', 'metricsText', 'call'),
    auth: methodsOf(
      from(({ auth }) => auth),
      ...(['enable', 'disable', 'status', 'authenticate'] as const),
      ...(['userAdd', 'userGet', 'userList', 'userDelete', 'userChangePassword', 'userGrantRole', 'userRevokeRole'] as const),
      ...(['roleAdd', 'roleGet', 'roleList', 'roleDelete', 'roleGrantPermission', 'roleRevokePermission'] as const),
    ),
    cluster: methodsOf(
      from(({ cluster }) => cluster),
      ...(['memberAdd', 'memberRemove', 'memberUpdate', 'memberList', 'memberPromote'] as const),
    ),
    maintenance: methodsOf(
      from(({ maintenance }) => maintenance),
      ...(['alarms', 'alarmActivate', 'alarmDeactivate', 'status', 'defragment', 'hash', 'hashKv', 'snapshot'] as const),
      ...(['moveLeader', 'downgrade'] as const),
    ),
  };
};

/**
 * Creates methods for an object that is not loaded yet, with the names of its methods. All of them return Observables,
 * and load the object on subscription. The client has already copied their arguments.
 */
function methodsOf<T extends object, K extends keyof T>(loaded$: Observable<T>, ...names: readonly (K & Returning<T>)[]): Pick<T, K> {
  const methods = names.map((name) => [
    name,
    (...args: readonly unknown[]): Observable<unknown> =>
      handOver(loaded$, (loaded): Observable<unknown> =>
        Reflect.apply(loaded[name] as (...given: unknown[]) => Observable<unknown>, undefined, args),
      ),
  ]);
  // Each method passes on its arguments and its result. So it has the type of the loaded method with the same name.
  return Object.fromEntries(methods) as Pick<T, K>;
}

/** The names of the methods of a type that return an Observable. */
type Returning<T> = { [K in keyof T]: T[K] extends (...args: never) => Observable<unknown> ? K : never }[keyof T];

const messagesOf: Parts['messagesOf'] = (...given) => handOver(module$, ({ parts }) => parts.messagesOf(...given));

const chunkedStream: Parts['chunkedStream'] = (...given) => handOver(module$, ({ parts }) => parts.chunkedStream(...given));

/** The parts of a client in a browser. Their code is loaded on subscription. */
export const lazyParts: Parts = { holding, administration, chunkedStream, messagesOf };
