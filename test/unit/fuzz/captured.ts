import * as t from 'io-ts';
import { concat, ignoreElements, isObservable, map, NEVER, of, type Observable, type OperatorFunction } from 'rxjs';
import { commitTxn } from '../../../operators/index.js';
import { del, get, key, leaseId, put, range, txn, type Client, type Election, type Transaction } from '../../../src/index.js';
import { toBase64 } from '../../../src/model/bytes.js';
import type { WatchEvent } from '../../../src/model/events.js';
import { kv } from '../../operators/support.js';
import type { FakeScript } from '../../support/fakes/fakeServer.js';

/** The arguments of a caller, and the part of them that reaches the server. */
export interface Passed {
  /** The arguments are created for each call, as they are changed right after it. */
  readonly args: () => unknown[];
  /** The expected content of the requests, in etcd's JSON; empty for a method that sends nothing. */
  readonly sends: readonly string[];
  /** Uses the result of the method, if that is not an Observable. */
  readonly use?: (given: never, client: Client) => Observable<unknown>;
}

const bytes = (text: string): Uint8Array => Buffer.from(text);
const base64 = (text: string): string => `"${toBase64(text)}"`;
const CALL = { timeoutMs: 4_321 };
const call = (more: object = {}): object => ({ ...CALL, ...more });
/** Bytes that a caller may reuse. */
const B = (text: string) => bytes(text);
const LEASE = '77';
const codec = (): object => ({ codec: t.unknown });
/** Returns the key of a queue entry that is held by that lease. */
const place = (name: string): string => base64(`${name}/4d`);
const onlyOptions = { args: () => [call()], sends: [] };
const textAnd = (...names: readonly string[]): Passed => ({ args: () => [...names, call()], sends: [] });

/** Every method of a client, with arguments that can be changed. */
export const PASSED: Readonly<Record<string, Passed>> = {
  'kv.get': { args: () => [B('k1'), call({ revision: 3 })], sends: [base64('k1'), '"revision":"3"'] },
  'kv.exists': { args: () => [B('k2'), call({ serializable: true })], sends: [base64('k2'), '"serializable":true'] },
  'kv.entries': { args: () => [{ prefix: B('p1') }, call({ revision: 3 })], sends: [base64('p1'), base64('p2'), '"revision":"3"'] },
  'kv.count': { args: () => [{ prefix: B('p1') }, call({ revision: 3 })], sends: [base64('p1'), base64('p2'), '"revision":"3"'] },
  'kv.range': { args: () => [{ from: B('f1'), to: B('t1') }, call({ limit: 9 })], sends: [base64('f1'), base64('t1'), '"limit":"9"'] },
  'kv.pages': { args: () => [{ prefix: B('p3') }, call({ pageSize: 7 })], sends: [base64('p3'), '"limit":"7"'] },
  'kv.put': { args: () => [B('k3'), B('v3'), call({ lease: LEASE })], sends: [base64('k3'), base64('v3'), '"lease":"77"'] },
  'kv.delete': { args: () => [{ key: B('k4') }, call({ prevKv: true })], sends: [base64('k4'), '"prev_kv":true'] },
  'kv.txn': {
    args: () => [
      {
        compare: [
          { range: { key: B('c1') }, result: 'EQUAL', target: 'VALUE', value: B('w1') },
          { range: B('c2'), result: 'EQUAL', target: 'MOD', value: 3 },
        ],
        success: [
          { op: 'put', key: B('k5'), value: B('v5'), options: { prevKv: true } },
          { op: 'get', key: B('k6'), options: { revision: 4 } },
          { op: 'txn', success: [{ op: 'range', range: { prefix: B('p5') }, options: { limit: 6 } }] },
        ],
        failure: [{ op: 'delete', range: { from: B('f5'), to: B('t5') }, options: {} }],
      },
      call(),
    ],
    sends: [...['c1', 'w1', 'c2', 'k5', 'v5', 'k6', 'p5', 'f5', 't5'].map(base64), '"prev_kv":true', '"revision":"4"', '"limit":"6"'],
  },
  'kv.compact': { args: () => [3, call({ physical: true })], sends: ['"physical":true'] },
  lease: { args: () => [{ ttl: 17, id: LEASE, onLost: 'error', release: 'revoke' }], sends: ['"TTL":"17"', '"ID":"77"'] },
  'lease.adopt': { args: () => [LEASE, { release: 'keep' }], sends: ['"ID":"77"'] },
  'lease.grant': { args: () => [17, call({ id: LEASE })], sends: ['"TTL":"17"', '"ID":"77"'] },
  'lease.revoke': { args: () => [LEASE, call()], sends: ['"ID":"77"'] },
  'lease.timeToLive': { args: () => [LEASE, call({ keys: true })], sends: ['"keys":true'] },
  'lease.leases': onlyOptions,
  'lease.keepAliveOnce': { args: () => [LEASE, call()], sends: ['"ID":"77"'] },
  'auth.enable': onlyOptions,
  'auth.disable': onlyOptions,
  'auth.status': onlyOptions,
  'auth.authenticate': textAnd('ann', 'secret'),
  'auth.userAdd': { args: () => ['ann', { password: 'swordfish' }, call()], sends: ['"swordfish"'] },
  'auth.userGet': textAnd('ann'),
  'auth.userList': onlyOptions,
  'auth.userDelete': textAnd('ann'),
  'auth.userChangePassword': { args: () => ['ann', { password: 'swordfish' }, call()], sends: ['"swordfish"'] },
  'auth.userGrantRole': textAnd('ann', 'r'),
  'auth.userRevokeRole': textAnd('ann', 'r'),
  'auth.roleAdd': textAnd('r'),
  'auth.roleGet': textAnd('r'),
  'auth.roleList': onlyOptions,
  'auth.roleDelete': textAnd('r'),
  'auth.roleGrantPermission': { args: () => ['r', 'READ', { prefix: B('p6') }, call()], sends: [base64('p6')] },
  'auth.roleRevokePermission': { args: () => ['r', { prefix: B('p7') }, call()], sends: [base64('p7')] },
  'cluster.memberAdd': {
    args: () => [['http://m1:1', 'http://m2:2'], call({ isLearner: true })],
    sends: ['"http://m2:2"', '"isLearner":true'],
  },
  'cluster.memberRemove': { args: () => ['5', call()], sends: ['"ID":"5"'] },
  'cluster.memberUpdate': { args: () => ['5', ['http://m3:3'], call()], sends: ['"http://m3:3"'] },
  'cluster.memberList': { args: () => [call({ linearizable: true })], sends: ['"linearizable":true'] },
  'cluster.memberPromote': { args: () => ['5', call()], sends: ['"ID":"5"'] },
  'maintenance.alarms': onlyOptions,
  'maintenance.alarmActivate': { args: () => [{ alarm: 'NOSPACE', memberId: '5' }, call()], sends: ['"NOSPACE"', '"5"'] },
  'maintenance.alarmDeactivate': { args: () => [{ alarm: 'CORRUPT', memberId: '5' }, call()], sends: ['"CORRUPT"', '"5"'] },
  'maintenance.status': onlyOptions,
  'maintenance.defragment': onlyOptions,
  'maintenance.hash': onlyOptions,
  'maintenance.hashKv': { args: () => [call({ revision: 3 })], sends: ['"revision":"3"'] },
  'maintenance.snapshot': onlyOptions,
  'maintenance.moveLeader': { args: () => ['5', call()], sends: ['"5"'] },
  'maintenance.downgrade': { args: () => ['VALIDATE', '3.4.0', call()], sends: ['"3.4.0"'] },
  'lockService.lock': { args: () => [B('n1'), call({ lease: LEASE })], sends: [base64('n1'), '"lease":"77"'] },
  'lockService.unlock': { args: () => [B('k7'), call()], sends: [base64('k7')] },
  'electionService.campaign': {
    args: () => [B('n2'), B('v7'), call({ lease: LEASE })],
    sends: [base64('n2'), base64('v7'), '"lease":"77"'],
  },
  'electionService.proclaim': {
    args: () => [{ name: B('n3'), key: B('n3/1'), rev: 1, lease: LEASE }, B('v8'), call()],
    sends: [base64('n3'), base64('n3/1'), base64('v8'), '"lease":"77"'],
  },
  'electionService.leader': { args: () => [B('n4'), call()], sends: [base64('n4')] },
  'electionService.observe': { args: () => [B('n5'), call()], sends: [base64('n5')] },
  'electionService.resign': { args: () => [{ name: B('n6'), key: B('n6/1'), rev: 1, lease: LEASE }, call()], sends: [base64('n6/1')] },
  watch: {
    args: () => [{ prefix: B('w1') }, { prevKv: true, startRevision: 9 }],
    sends: [base64('w1'), base64('w2'), '"prev_kv":true', '"start_revision":"9"'],
  },
  watchBatches: { args: () => [{ from: B('w3'), to: B('w4') }, { noPut: true }], sends: [base64('w3'), base64('w4'), '"NOPUT"'] },
  watchOnce: { args: () => [B('w5'), { noDelete: true, timeoutMs: 9_000 }], sends: [base64('w5'), '"NODELETE"'] },
  live: { args: () => [{ prefix: B('l1') }], sends: [base64('l1'), base64('l2')] },
  liveValue: { args: () => [B('l3'), codec()], sends: [base64('l3')] },
  liveState: { args: () => [{ from: B('l4'), to: B('l5') }], sends: [base64('l4'), base64('l5')] },
  liveReady: { args: () => [{ from: B('l8'), to: B('l9') }], sends: [base64('l8'), base64('l9')] },
  liveValueState: { args: () => [B('l6'), codec()], sends: [base64('l6')] },
  combineLive: {
    args: () => [{ a: { prefix: B('m1') }, b: { key: B('m3') } }, { onInvalid: () => undefined }],
    sends: [base64('m1'), base64('m2')],
  },
  liveConfig: { args: () => [['m6', 'm8'], codec()], sends: [base64('m6'), base64('m7')] },
  liveConfigState: { args: () => [['n8', 'p8'], codec()], sends: [base64('n8'), base64('n9')] },
  putConfig: { args: () => ['m9', { a: ['1'] }, { separator: '.' }], sends: [base64('m9')] },
  combineLiveState: { args: () => [{ a: { from: B('m4'), to: B('m5') } }], sends: [base64('m4'), base64('m5')] },
  session: { args: () => [{ ttl: 17 }], sends: ['"TTL":"17"'] },
  announce: {
    args: () => [B('announced-key'), B('announced-value'), { ttl: 17 }],
    sends: [base64('announced-key'), base64('announced-value'), '"TTL":"17"'],
  },
  cache: { args: () => [{ prefix: B('c1') }, { historyEvents: 7 }], sends: [base64('c1'), base64('c2')] },
  lock: {
    args: () => ['lock', { ttl: 17, timeoutMs: 9_000, reentrant: { holder: 'me' } }],
    sends: ['"TTL":"17"', base64('lock.shares/me')],
  },
  tryLock: { args: () => ['tryLock', { lease: LEASE }], sends: [place('tryLock')] },
  lockWaiters: { args: () => ['claims'], sends: [] },
  whenUnlocked: { args: () => ['free', { timeoutMs: 9_000 }], sends: [base64('free/')] },
  election: {
    args: () => ['election'],
    sends: [],
    use: (election: Election) => election.campaign('v'),
  },
  update: { args: () => [B('u1'), () => 'u2', { lease: LEASE, maxAttempts: 3 }], sends: [base64('u1'), base64('u2'), '"lease":"77"'] },
  stm: {
    args: () => [
      (tx: Transaction) => {
        for (const text of ['a', 'b', 'c']) {
          const [k, v, lost] = [B(`stm-${text}`), B(`stm-value-${text}`), B(`stm-lost-${text}`)];
          const options = { lease: leaseId(LEASE) };
          tx.put(k, v, options);
          tx.delete({ key: lost });
          change(k, v, lost, options);
        }
        const [one, many] = [B('stm-get'), { prefix: B('stm-range') }];
        const reads = concat(tx.get(one), tx.range(many)).pipe(ignoreElements());
        change(one, many);
        return reads;
      },
      { isolation: 'serializable', prefetch: [B('stm-prefetch')], maxAttempts: 3 },
    ],
    sends: [
      ...['stm-a', 'stm-value-a', 'stm-lost-a', 'stm-value-b', 'stm-c', 'stm-value-c', 'stm-get', 'stm-range', 'stm-prefetch'].map(base64),
      '"lease":"77"',
    ],
  },
  semaphore: { args: () => ['semaphore', 2, { lease: LEASE, timeoutMs: 9_000 }], sends: [place('semaphore')] },
  readLock: { args: () => ['rw', { ttl: 17, timeoutMs: 9_000 }], sends: ['"TTL":"17"'] },
  writeLock: { args: () => ['rw', { lease: LEASE }], sends: [place('rw/write')] },
  barrier: { args: () => ['barrier'], sends: [], use: (barrier: ReturnType<Client['barrier']>) => barrier.hold() },
  doubleBarrier: {
    args: () => ['double', 1],
    sends: ['"TTL":"60"'],
    use: (barrier: ReturnType<Client['doubleBarrier']>) => barrier.enter(),
  },
  queue: { args: () => ['queue'], sends: [], use: (queue: ReturnType<Client['queue']>) => queue.enqueue('v') },
  priorityQueue: { args: () => ['priority'], sends: [], use: (queue: ReturnType<Client['priorityQueue']>) => queue.enqueue('v', 1) },
  services: {
    args: () => ['services', { onInvalid: () => undefined }],
    sends: [base64('services/')],
    use: (services: ReturnType<Client['services']>) => services.endpoints$,
  },
  namespace: {
    args: () => [B('ns/')],
    sends: [base64('ns/k')],
    use: (namespace: ReturnType<Client['namespace']>) => namespace.kv.get('k'),
  },
  call: {
    args: () => ['/kv/range', { key: 'YQ==', list: ['x1', { deep: 'x2' }], when: new Date(0) }, call({ codec: t.unknown, safety: 'read' })],
    sends: ['"x1"', '"x2"', '"1970-01-01T00:00:00.000Z"'],
  },
  version: onlyOptions,
  health: onlyOptions,
  metrics: onlyOptions,
  livez: onlyOptions,
  metricsText: onlyOptions,
  readyz: onlyOptions,
  setEndpoints: {
    args: () => [['http://127.0.0.1:9']],
    sends: [],
    use: (_: never, client) => of(client.endpoints()).pipe(map((endpoints) => checkEndpoints(endpoints))),
  },
};

function checkEndpoints(endpoints: readonly string[]): void {
  if (endpoints.join() !== 'http://127.0.0.1:9') throw new Error(`they are ${endpoints.join()} now`);
}

/** The methods of returned objects. */
export const PASSED_LATER: Readonly<Record<string, Passed & { readonly make: (client: Client) => object }>> = {
  'election.campaign': {
    make: ({ election }) => election('e'),
    args: () => [B('campaign-value'), { ttl: 17 }],
    sends: [base64('campaign-value'), '"TTL":"17"'],
  },
  'barrier.hold': { make: ({ barrier }) => barrier('b'), args: () => [{ lease: LEASE }], sends: ['"lease":"77"'] },
  'doubleBarrier.enter': { make: ({ doubleBarrier }) => doubleBarrier('d', 1), args: () => [{ ttl: 17 }], sends: ['"TTL":"17"'] },
  'queue.enqueue': { make: ({ queue }) => queue('q'), args: () => [B('queue-value')], sends: [base64('queue-value')] },
  'priorityQueue.enqueue': {
    make: ({ priorityQueue }) => priorityQueue('p'),
    args: () => [B('priority-value'), 1],
    sends: [base64('priority-value')],
  },
  'services.register': {
    make: ({ services }) => services('s'),
    args: () => ['one', { addr: 'a:1', ttl: 17, metadata: { tags: ['t1'], since: new Date(0) } }],
    sends: ['"TTL":"17"', base64('{"Op":0,"Addr":"a:1","Metadata":{"tags":["t1"],"since":"1970-01-01T00:00:00.000Z"}}')],
  },
};

/** The functions that create operations and compares for `kv.txn`. */
export const OPERATIONS: Readonly<
  Record<string, { readonly args: () => unknown[]; readonly make: (...args: never[]) => object; readonly sends: readonly string[] }>
> = {
  put: {
    args: () => [B('o1'), B('o2'), { lease: LEASE }],
    make: (...given: Parameters<typeof put>) => ({ success: [put(...given)] }),
    sends: [base64('o1'), base64('o2'), '"lease":"77"'],
  },
  get: {
    args: () => [B('o3'), { revision: 3 }],
    make: (...given: Parameters<typeof get>) => ({ success: [get(...given)] }),
    sends: [base64('o3'), '"revision":"3"'],
  },
  range: {
    args: () => [{ prefix: B('o4') }, { limit: 3 }],
    make: (...given: Parameters<typeof range>) => ({ success: [range(...given)] }),
    sends: [base64('o4'), '"limit":"3"'],
  },
  del: {
    args: () => [{ key: B('o6') }, { prevKv: true }],
    make: (...given: Parameters<typeof del>) => ({ success: [del(...given)] }),
    sends: [base64('o6'), '"prev_kv":true'],
  },
  txn: {
    args: () => [{ compare: [key(B('o7')).exists()], success: [put('o8', B('o9'))], failure: [get('o10')] }],
    make: (...given: Parameters<typeof txn>) => ({ success: [txn(...given)] }),
    sends: ['o7', 'o8', 'o9', 'o10'].map(base64),
  },
  key: {
    args: () => [{ prefix: B('o11') }],
    make: (...given: Parameters<typeof key>) => ({ compare: [key(...given).exists()] }),
    sends: [base64('o11'), base64('o12')],
  },
  'key.value.equals': {
    args: () => [B('o13')],
    make: (value: Uint8Array) => ({ compare: [key('o14').value.equals(value)] }),
    sends: [base64('o13')],
  },
};

/** A value that no passed argument may have in a request. */
export const CHANGED = 'changed-afterwards';

/** Changes everything in an argument that its owner can change. */
export function change(...passed: readonly unknown[]): void {
  for (const value of passed) {
    if (value instanceof Uint8Array) value.fill(0xee);
    else if (value instanceof Date) value.setTime(1e12);
    else if (Array.isArray(value)) {
      change(...(value as unknown[]));
      value.fill(CHANGED);
      value.push(CHANGED);
    } else if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
      change(...(Object.values(value) as unknown[]));
      for (const name of Object.keys(value)) Reflect.set(value, name, CHANGED);
      Reflect.set(value, CHANGED, CHANGED);
    }
  }
}

/** The part of an etcd that each method needs to continue until it has sent its arguments. */
export const ANSWERS: FakeScript = ({ path, body }, reply) => {
  const header = { cluster_id: '1', member_id: '1', revision: '7', raft_term: '1' };
  const request = (body === '' ? {} : JSON.parse(body)) as Record<string, unknown>;
  switch (path) {
    case '/metrics':
      return reply.text(200, '');
    case '/livez?verbose':
    case '/readyz?verbose':
      return reply.text(200, '[+]serializable_read ok\nok\n');
    case '/health':
      return reply.json(200, { health: 'true' });
    case '/v3/lease/grant':
      return reply.json(200, { header, ID: request['ID'] ?? LEASE, TTL: request['TTL'] });
    case '/v3/lease/keepalive':
      return void reply.stream().write(JSON.stringify({ result: { header, ID: LEASE, TTL: '20' } }) + '\n');
    case '/v3/election/observe':
      return void reply.stream().end(JSON.stringify({ result: { header } }) + '\n');
    case '/v3/maintenance/snapshot':
      return void reply.stream().end(JSON.stringify({ result: { header, remaining_bytes: '0', blob: 'AA==' } }) + '\n');
    case '/v3/kv/txn':
      return reply.json(200, { header, succeeded: true, responses: (request['success'] as object[] | undefined)?.map(answerTo) });
    case '/v3/watch':
      return void reply.stream().write(JSON.stringify({ result: { header, created: true, watch_id: '0' } }) + '\n');
    default:
      return reply.json(200, { header });
  }
};

function answerTo(op: object): object {
  const header = { revision: '7' };
  if ('request_put' in op) return { response_put: { header } };
  if ('request_range' in op) return { response_range: { header } };
  if ('request_delete_range' in op) return { response_delete_range: { header } };
  const { success = [] } = Reflect.get(op, 'request_txn') as { success?: object[] };
  return { response_txn: { header, succeeded: true, responses: success.map(answerTo) } };
}

/** Converts the result of a method to an Observable. */
export function toStream({ use }: Pick<Passed, 'use'>, given: unknown, client: Client): Observable<unknown> {
  if (use !== undefined) return use(given as never, client);
  if (!isObservable(given)) throw new Error('it gives no Observable');
  return given;
}

/** The arguments and the input of an operator, and its output: requests, or emissions. */
export interface PassedToOperator {
  readonly args: (kv: Client['kv']) => unknown[];
  /**
   * The items of the source. Each is changed as soon as it was passed. Undefined for operators whose argument is the
   * source, or that need none.
   */
  readonly items?: () => unknown[];
  readonly sends?: readonly string[];
  readonly emits?: readonly unknown[];
  /** The operators behind it. */
  readonly then?: (kv: Client['kv']) => OperatorFunction<unknown, unknown>;
}

const event = (of: string, revision: number): WatchEvent => ({ type: 'put', kv: kv(of, 'v', revision), revision });
const entries = (name: string): object[] =>
  ['1', '2', '3'].map((of) => ({ key: B(`${name}-k${of}`), value: B(`${name}-v${of}`), lease: LEASE }));
const entriesOf = (name: string): string[] =>
  ['k1', 'v1', 'k2', 'v2', 'k3', 'v3'].map((of) => base64(`${name}-${of}`)).concat('"lease":"77"');
const txnOf = (of: string) => ({ compare: [key(B(`${of}-c`)).exists()], success: [put(B(`${of}-k`), B(`${of}-v`))] });
const sentOf = (of: string): string[] => ['c', 'k', 'v'].map((part) => base64(`${of}-${part}`));
const text = map((value: unknown) => JSON.stringify(value));

/** A generator that fills the same entry, with the same buffers, repeatedly. */
function* refilled(): Generator<object> {
  const entry = { key: B('refilled-k0'), value: B('refilled-v0'), lease: LEASE };
  for (const digit of ['1', '2', '3']) {
    entry.key.set(B(digit), 10);
    entry.value.set(B(digit), 10);
    yield entry;
  }
  change(entry);
}

/** Every operator with an argument or input that can be changed. */
export const PASSED_TO_OPERATORS: Readonly<Record<string, PassedToOperator>> = {
  commitTxn: { args: (given) => [given], items: () => ['x1', 'x2', 'x3'].map(txnOf), sends: ['x1', 'x2', 'x3'].flatMap(sentOf) },
  'commitTxn with build': {
    args: (given) => [given, ({ of }: { of: Uint8Array }) => ({ success: [put(of, of)] })],
    items: () => ['y1', 'y2', 'y3'].map((of) => ({ of: B(of) })),
    sends: ['y1', 'y2', 'y3'].map(base64),
  },
  compareAndSet: {
    args: (given) => [given],
    items: () =>
      ['1', '2', '3'].map((of) => ({ key: B(`cas-k${of}`), value: B(`cas-v${of}`), expected: { value: B(`cas-x${of}`) }, lease: LEASE })),
    sends: ['k1', 'v1', 'x1', 'k2', 'v2', 'x2', 'k3', 'v3', 'x3'].map((of) => base64(`cas-${of}`)).concat('"lease":"77"'),
  },
  foldEvents: {
    args: () => [{ seed: [kv('a', '1', 5)] }],
    items: () => [event('b', 6)],
    then: () => map((state) => [...(state as Map<string, unknown>).keys()].sort()),
    emits: [['a'], ['a', 'b']],
  },
  guardedBy: {
    args: () => [{ range: { key: B('guard-k') }, target: 'VALUE', result: 'EQUAL', value: B('guard-v') }],
    items: () => ['z1', 'z2'].map(txnOf),
    then: (given) => commitTxn(given) as OperatorFunction<unknown, unknown>,
    sends: [base64('guard-k'), base64('guard-v'), ...sentOf('z1'), ...sentOf('z2')],
  },
  matchKey: {
    args: () => [{ prefix: 'a' }],
    items: () => [event('a', 5), event('b', 6)],
    then: () => text,
    emits: [JSON.stringify(event('a', 5))],
  },
  parseJsonStream: {
    args: () => [{ maxBytes: 100 }],
    items: () => ['{"a":', '1}'],
    then: () => map((object) => JSON.stringify(object)),
    emits: ['{"a":1}'],
  },
  putAll: { args: (given) => [given, { concurrency: 1, maxOps: 1 }], items: () => entries('pushed'), sends: entriesOf('pushed') },
  'putAll of an iterable': { args: (given) => [given, entries('listed'), { concurrency: 1, maxOps: 1 }], sends: entriesOf('listed') },
  'putAll of a generator': { args: (given) => [given, refilled(), { concurrency: 1, maxOps: 1 }], sends: entriesOf('refilled') },
  putTo: {
    args: (given) => [given, B('to-k'), { lease: LEASE, prevKv: true }],
    items: () => [B('to-v1'), B('to-v2'), { deep: [{ since: new Date(0) }] }],
    sends: [...['to-k', 'to-v1', 'to-v2', '{"deep":[{"since":"1970-01-01T00:00:00.000Z"}]}'].map(base64), '"lease":"77"', '"prev_kv":true'],
  },
  'putTo with functions': {
    args: (given) => [given, ({ of }: { of: Uint8Array }) => of, { encode: ({ of }: { of: Uint8Array }) => of }],
    items: () => ['fn1', 'fn2'].map((of) => ({ of: B(of) })),
    sends: ['fn1', 'fn2'].map(base64),
  },
  resumeFromRevision: {
    args: () => [(from: number) => of(event(`from ${from}`, 6)), { startRevision: 5, resumeOnComplete: false }],
    then: () => text,
    emits: [JSON.stringify(event('from 5', 6))],
  },
  retryBackoff: { args: () => [{ maxRetries: 1, initialMs: 1, maxMs: 1, jitter: 0 }], items: () => [1], emits: [1] },
  toAsyncIterable: { args: () => [{ bufferSize: 2, overflow: 'dropOldest' }], items: () => [], emits: [] },
  'toAsyncIterable of a source': { args: () => [of(1, 2, 3), { bufferSize: 2, overflow: 'dropNewest' }], emits: [1, 2, 3] },
  untilReleased: { args: () => [], items: () => [1], emits: [1] },
  untilRevision: {
    args: () => [6, { wholeRevisions: true }],
    items: () => [{ revision: 5 }, { revision: 6 }],
    then: () => map(() => 'one'),
    emits: ['one', 'one'],
  },
  whileLeader: { args: () => [() => of('led'), { onComplete: 'release' }], items: () => [{}], emits: ['led'] },
  withLease: {
    args: () => [() => of('leased'), { onComplete: 'release' }],
    items: () => [{ type: 'granted', lease: {} }],
    emits: ['leased'],
  },
  withLock: { args: () => [concat(of({}), NEVER), () => of('locked'), { strategy: 'merge' }], items: () => [1], emits: ['locked'] },
};

/** Excluded: numbers, text, functions, codecs and signals never change, or must be passed on as they are. */
export const NOTHING_TO_CHANGE = [
  ...[
    'afterRevision',
    'byRevision',
    'changedValues',
    'conflateByKey',
    'decodeJson',
    'decodeWith',
    'deletes',
    'ofType',
    'puts',
    'takeUntilAborted',
    'tryDecode',
  ],
];
