import { isObservable, type Observable } from 'rxjs';
import { put, type Client } from '../../../src/index.js';

/** The types of arguments. */
interface Kind {
  readonly right: (value: unknown) => boolean;
}

/** An argument: a valid one, and its type. */
export type Argument = readonly [value: unknown, kind: Kind];

const kind = (right: Kind['right']): Kind => ({ right });
export const isText = (value: unknown): value is string => typeof value === 'string' && value.isWellFormed();
const isFilled = (value: unknown): boolean => isText(value) && value !== '';
const isBytes = (value: unknown): boolean => isText(value) || value instanceof Uint8Array;
const isKey = (value: unknown): boolean => isFilled(value) || (value instanceof Uint8Array && value.length > 0);
const isWhole = (value: unknown): boolean => Number.isSafeInteger(value);
export const isPlain = (value: unknown): value is object => Object.prototype.toString.call(value) === '[object Object]';
const isEmpty = (value: unknown): boolean => value === undefined || (isPlain(value) && Object.keys(value).length === 0);
const isId = (value: unknown): boolean => isText(value) && /^\d+$/.test(value);
const isFunction = (value: unknown): boolean => typeof value === 'function';

const BYTES = kind(isBytes);
const RANGE = kind(isKey);
const NAME = kind(isFilled);
const TEXT = kind(isText);
const INTEGER = kind(isWhole);
const ID = kind(isId);
const COUNT = kind((value) => isWhole(value) && Number(value) >= 1);
const PRIORITY = kind((value) => isWhole(value) && Number(value) >= 0 && Number(value) <= 65_535);
const FUNCTION = kind(isFunction);
const URLS = kind((value) => Array.isArray(value) && Array.from(value).every(isText));
const JSON_BODY = kind((value) => {
  try {
    return typeof (JSON.stringify(value) as unknown) === 'string';
  } catch {
    return false;
  }
});
/** The options in the junk have names that no method has. */
const OPTIONS: Argument = [{}, kind(isEmpty)];
/** Options of which one is required. */
const needed = (value: object): Argument => [value, kind(() => false)];

const KEY: Argument = ['k', RANGE];
const LOCK: Argument = ['n', NAME];
const USER: Argument = ['ann', TEXT];
const LEASE: Argument = ['7', ID];
const CODEC = { codec: { name: 'any', validate: () => 0, decode: () => 0 } };
const LEADER = { name: 'n', key: 'n/1', rev: 1, lease: '7' };

/** The methods of a client, by their paths, with valid arguments. */
export const METHODS: Readonly<Record<string, readonly Argument[]>> = {
  'kv.get': [['k', BYTES], OPTIONS],
  'kv.exists': [KEY, OPTIONS],
  'kv.count': [KEY, OPTIONS],
  'kv.entries': [KEY, OPTIONS],
  'kv.range': [KEY, OPTIONS],
  'kv.pages': [KEY, OPTIONS],
  'kv.put': [['k', BYTES], ['v', BYTES], OPTIONS],
  'kv.delete': [KEY, OPTIONS],
  'kv.txn': [[{ success: [put('a', '1')] }, kind((value) => value !== undefined && isEmpty(value))], OPTIONS],
  'kv.compact': [[3, INTEGER], OPTIONS],
  lease: [needed({ ttl: 10 })],
  'lease.adopt': [LEASE, OPTIONS],
  'lease.grant': [[10, INTEGER], OPTIONS],
  'lease.revoke': [LEASE, OPTIONS],
  'lease.timeToLive': [LEASE, OPTIONS],
  'lease.leases': [OPTIONS],
  'lease.keepAliveOnce': [LEASE, OPTIONS],
  'auth.enable': [OPTIONS],
  'auth.disable': [OPTIONS],
  'auth.status': [OPTIONS],
  'auth.authenticate': [USER, ['secret', TEXT], OPTIONS],
  'auth.userAdd': [USER, needed({ password: 'secret' }), OPTIONS],
  'auth.userGet': [USER, OPTIONS],
  'auth.userList': [OPTIONS],
  'auth.userDelete': [USER, OPTIONS],
  'auth.userChangePassword': [USER, needed({ password: 'secret' }), OPTIONS],
  'auth.userGrantRole': [USER, USER, OPTIONS],
  'auth.userRevokeRole': [USER, USER, OPTIONS],
  'auth.roleAdd': [LOCK, OPTIONS],
  'auth.roleGet': [USER, OPTIONS],
  'auth.roleList': [OPTIONS],
  'auth.roleDelete': [USER, OPTIONS],
  'auth.roleGrantPermission': [USER, ['READ', kind(() => false)], KEY, OPTIONS],
  'auth.roleRevokePermission': [USER, KEY, OPTIONS],
  'cluster.memberAdd': [[['http://a:1'], URLS], OPTIONS],
  'cluster.memberRemove': [LEASE, OPTIONS],
  'cluster.memberUpdate': [LEASE, [['http://a:1'], URLS], OPTIONS],
  'cluster.memberList': [OPTIONS],
  'cluster.memberPromote': [LEASE, OPTIONS],
  'maintenance.alarms': [OPTIONS],
  'maintenance.alarmActivate': [needed({ alarm: 'NOSPACE' }), OPTIONS],
  'maintenance.alarmDeactivate': [needed({ alarm: 'NOSPACE' }), OPTIONS],
  'maintenance.status': [OPTIONS],
  'maintenance.defragment': [OPTIONS],
  'maintenance.hash': [OPTIONS],
  'maintenance.hashKv': [OPTIONS],
  'maintenance.snapshot': [OPTIONS],
  'maintenance.moveLeader': [LEASE, OPTIONS],
  'maintenance.downgrade': [['VALIDATE', kind(() => false)], ['3.4.0', TEXT], OPTIONS],
  'lockService.lock': [['n', BYTES], OPTIONS],
  'lockService.unlock': [['k', BYTES], OPTIONS],
  'electionService.campaign': [['n', BYTES], ['v', BYTES], OPTIONS],
  'electionService.proclaim': [needed(LEADER), ['v', BYTES], OPTIONS],
  'electionService.leader': [['n', BYTES], OPTIONS],
  'electionService.observe': [['n', BYTES], OPTIONS],
  'electionService.resign': [needed(LEADER), OPTIONS],
  watch: [KEY, OPTIONS],
  watchBatches: [KEY, OPTIONS],
  watchOnce: [KEY, OPTIONS],
  live: [KEY],
  liveValue: [KEY, needed(CODEC)],
  liveState: [KEY],
  liveReady: [KEY],
  liveValueState: [KEY, needed(CODEC)],
  combineLive: [needed({ a: { key: 'k' } }), OPTIONS],
  combineLiveState: [needed({ a: { key: 'k' } })],
  liveConfig: [['p/', kind(isFilled)], needed(CODEC)],
  liveConfigState: [['p/', kind(isFilled)], needed(CODEC)],
  putConfig: [['p/', kind(isFilled)], [{ a: '1' }, kind(isPlain)], OPTIONS],
  session: [OPTIONS],
  announce: [KEY, ['v', BYTES], OPTIONS],
  cache: [KEY, OPTIONS],
  lock: [LOCK, OPTIONS],
  tryLock: [LOCK, OPTIONS],
  lockWaiters: [LOCK],
  whenUnlocked: [LOCK, OPTIONS],
  election: [LOCK],
  update: [KEY, [() => '1', FUNCTION], OPTIONS],
  stm: [[() => 1, FUNCTION], OPTIONS],
  semaphore: [LOCK, [2, COUNT], OPTIONS],
  readLock: [LOCK, OPTIONS],
  writeLock: [LOCK, OPTIONS],
  barrier: [LOCK],
  doubleBarrier: [LOCK, [2, COUNT]],
  queue: [LOCK],
  priorityQueue: [LOCK],
  services: [LOCK, OPTIONS],
  namespace: [KEY],
  call: [['/kv/range', kind(() => false)], [{}, JSON_BODY], OPTIONS],
  version: [OPTIONS],
  health: [OPTIONS],
  metrics: [OPTIONS],
  livez: [OPTIONS],
  metricsText: [OPTIONS],
  readyz: [OPTIONS],
  setEndpoints: [['http://127.0.0.1:1', kind(() => false)]],
};

/** The methods of returned objects. */
export const OF_WHAT_IS_MADE: Readonly<Record<string, readonly [make: (client: Client) => object, args: readonly Argument[]]>> = {
  'election.campaign': [({ election }) => election('n'), [['v', BYTES], OPTIONS]],
  'barrier.hold': [({ barrier }) => barrier('n'), [OPTIONS]],
  'doubleBarrier.enter': [({ doubleBarrier }) => doubleBarrier('n', 2), [OPTIONS]],
  'queue.enqueue': [({ queue }) => queue('n'), [['v', BYTES]]],
  'priorityQueue.enqueue': [
    ({ priorityQueue }) => priorityQueue('n'),
    [
      ['v', BYTES],
      [1, PRIORITY],
    ],
  ],
  'services.register': [({ services }) => services('n'), [LOCK, needed({ addr: 'a:1' })]],
};

/** Methods that return no Observable, and so throw. */
export const THROW = new Set(['election', 'barrier', 'doubleBarrier', 'queue', 'priorityQueue', 'services', 'namespace', 'setEndpoints']);

/** Calls the method at a path, with any arguments. */
export function callAt(root: object, path: string, args: readonly unknown[]): unknown {
  const names = path.split('.');
  const method: unknown = names.reduce((of: unknown, name): unknown => (of instanceof Object ? Reflect.get(of, name) : undefined), root);
  if (typeof method !== 'function') throw new Error(`there is no ${path}`);
  return Reflect.apply(method, undefined, args);
}

/** Returns the paths of all methods of a client. */
export function methodsOf(client: object, prefix = ''): string[] {
  return Object.entries(client).flatMap(([name, value]: [string, unknown]): string[] => {
    if (isObservable(value) || !(value instanceof Object)) return [];
    const path = prefix + name;
    return [...(typeof value === 'function' ? [path] : []), ...methodsOf(value, `${path}.`)];
  });
}

export const isStream = (given: unknown): given is Observable<unknown> => isObservable(given);
