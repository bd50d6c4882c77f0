import { afterAll, describe, expect, test } from '@jest/globals';
import { lastValueFrom, of, type Observable } from 'rxjs';
import { commitTxn, putTo } from '../../../operators/index.js';
import { createClient, key, put, txn, type Client } from '../../../src/index.js';
import { failureWith } from '../../integration/support/outcomes.js';

/** No server listens there: nothing is sent. */
const etcd = createClient({ endpoints: 'http://127.0.0.1:1', retry: false });
afterAll(() => etcd.close());

/** Passes options as a program in JavaScript does, or one that has them in a variable. */
const given = (options: unknown): never => options as never;

type Use = (etcd: Client) => Observable<unknown>;

describe('an invalid option is rejected', () => {
  test.each<[name: string, use: Use, says: RegExp]>([
    [
      'watch',
      ({ watch }) => watch('a', given({ startRevison: 10 })),
      /^startRevison of watch: expected one of the options prevKv, .*startRevision, received an unknown option$/,
    ],
    ['watch', ({ watch }) => watch('a', given({ prevKv: 1 })), /^prevKv of watch: expected true or false, received number$/],
    [
      'watch',
      ({ watch }) => watch('a', given({ startRevision: 1.5 })),
      /^startRevision of watch: expected a whole number from 1, received 1.5$/,
    ],
    ['watch', ({ watch }) => watch('a', given(null)), /^options of watch: expected an object, received null$/],
    ['watchBatches', ({ watchBatches }) => watchBatches('a', given({ from: 1 })), /^from of watchBatches: expected one of the options/],
    ['watchOnce', ({ watchOnce }) => watchOnce('a', { timeoutMs: NaN }), /^timeoutMs of watchOnce: expected .*, received NaN$/],
    [
      'lease',
      ({ lease }) => lease({ ttl: 5, release: given('x') }),
      /^release of lease: expected one of revoke, keep, received a?.*string$/,
    ],
    ['lease', ({ lease }) => lease({ ttl: 5, onlost: 'x' } as never), /^onlost of lease: expected one of the options/],
    ['lease', ({ lease }) => lease(given({})), /^ttl of lease: expected a whole number of seconds from 1, received nothing$/],
    ['adopt', ({ lease }) => lease.adopt(given('1'), given({ release: 1 })), /^release of lease.adopt: expected/],
    [
      'lock',
      ({ lock }) => lock('l', given({ timeout: 5 })),
      /^timeout of lock: expected one of the options ttl, lease, session, reentrant, timeoutMs, onLost, received an unknown option$/,
    ],
    [
      'lock',
      ({ lock }) => lock('l', given({ lease: 5 })),
      /^lease of lock: expected the id of a lease, a decimal string, received number$/,
    ],
    [
      'lock',
      ({ lock }) => lock('l', given({ session: '7' })),
      /^session of lock: expected a session that etcd\.session\(\) emitted, received string$/,
    ],
    [
      'session',
      ({ session }) => session(given({ TTL: 5 })),
      /^TTL of session: expected one of the options ttl, received an unknown option$/,
    ],
    [
      'announce',
      ({ announce }) => announce('a', 'b', given({ lease: '7' })),
      /^lease of announce: expected one of the options ttl, session, received an unknown option$/,
    ],
    ['tryLock', ({ tryLock }) => tryLock('l', given({ timeoutMs: 5 })), /^timeoutMs of tryLock: expected one of the options/],
    [
      'campaign',
      ({ election }) => election('e').campaign('v', given({ ttl: '5' })),
      /^ttl of campaign: expected a whole number from 1, received string$/,
    ],
    [
      'campaign',
      ({ election }) => election('e').campaign('v', given({ onLost: 'regrant' })),
      /^onLost of campaign: expected one of error, reacquire, received string$/,
    ],
    ['tryLock', ({ tryLock }) => tryLock('l', given({ onLost: 'reacquire' })), /^onLost of tryLock: expected one of the options/],
    ['semaphore', ({ semaphore }) => semaphore('s', 1, given({ timeoutMs: '5' })), /^timeoutMs of semaphore: expected/],
    ['readLock', ({ readLock }) => readLock('r', given({ TTL: 5 })), /^TTL of readLock: expected one of the options/],
    ['enter', ({ doubleBarrier }) => doubleBarrier('d', 2).enter(given({ TTL: 5 })), /^TTL of enter: expected one of the options/],
    ['hold', ({ barrier }) => barrier('b').hold(given({ ttl: 5 })), /^ttl of hold: expected one of the options/],
    [
      'txn',
      ({ kv }) => kv.txn(given({ then: [put('a', 'b')] })),
      /^then of txn: expected one of the options compare, success, failure, received an unknown option$/,
    ],
    ['txn', ({ kv }) => kv.txn(given({ success: put('a', 'b') })), /^success of txn: expected an array, received object$/],
    ['a txn in a txn', ({ kv }) => kv.txn({ success: [txn(given({ else: [] }))] }), /^else of txn: expected one of the options/],
    ['a call', ({ kv }) => kv.put('a', 'b', given({ timeoutMs: '5' })), /^timeoutMs of kv.put: expected .*, received string$/],
    ['a call', ({ kv }) => kv.range('a', given({ monotonic: 'x' })), /^monotonic of kv.range: expected true or false, received string$/],
    ['a call', ({ kv }) => kv.put('a', 'b', given({ signal: 5 })), /^signal of kv.put: expected an AbortSignal, received number$/],
    ['a call', ({ kv }) => kv.put('a', 'b', given(null)), /^options of kv.put: expected an object, received null$/],
    ['a call', ({ kv }) => kv.get('a', given(new Map([['revision', 1]]))), /^options of kv.get: expected an object, received Map$/],
    [
      'a call that would be of many keys',
      ({ kv }) => kv.delete('a', given({ rangeEnd: 'z' })),
      /^rangeEnd of kv.delete: expected one of the options/,
    ],
    [
      'a call that would be of another key',
      ({ kv }) => kv.put('a', 'b', given({ key: 'c' })),
      /^key of kv.put: expected one of the options/,
    ],
    ['an operation', ({ kv }) => kv.txn({ success: [put('a', 'b', given({ key: 'c' }))] }), /^key of put: expected one of the options/],
    [
      'kv.pages',
      ({ kv }) => kv.pages('a', given({ limit: 5 })),
      /^limit of kv.pages: expected one of the options .*pageSize, consume, received an unknown option$/,
    ],
    ['kv.exists', ({ kv }) => kv.exists('a', given({ keysOnly: true })), /^keysOnly of kv.exists: expected one of the options/],
    [
      'stm',
      ({ stm }) => stm(() => 1, given({ maxTry: 1 })),
      /^maxTry of stm: expected one of the options maxAttempts, isolation, prefetch, received an unknown option$/,
    ],
    [
      'stm',
      ({ stm }) => stm(() => 1, given({ isolation: 'x' })),
      /^isolation of stm: expected one of serializableSnapshot, .*, received string$/,
    ],
    ['stm', ({ stm }) => stm(() => 1, given({ prefetch: 'a' })), /^prefetch of stm: expected an array, received string$/],
    [
      'update',
      ({ update }) => update('a', () => 'b', given({ leases: '5' })),
      /^leases of update: expected one of the options maxAttempts, lease, received an unknown option$/,
    ],
    [
      'update',
      ({ update }) => update('a', () => 'b', { maxAttempts: 0 }),
      /^maxAttempts of update: expected a whole number from 1, received 0$/,
    ],
    [
      'liveValue',
      ({ liveValue }) => liveValue('a', given({})),
      /^codec of liveValue: expected an io-ts codec or a Standard Schema, received nothing$/,
    ],
    [
      'liveValue',
      ({ liveValue }) => liveValue('a', given({ codec: { decode: 1 } })),
      /^codec of liveValue: expected an io-ts codec or a Standard Schema, received object$/,
    ],
    ['liveValue', ({ liveValue }) => liveValue('a', given(undefined)), /^options of liveValue: expected an object, received nothing$/],
    [
      'register',
      ({ services }) => services('s').register('i', given({ address: 'a' })),
      /^address of register: expected one of the options addr,/,
    ],
    ['register', ({ services }) => services('s').register('i', { addr: 'a', ttl: 0.5 }), /^ttl of register: expected a whole number/],
    [
      'register',
      ({ services }) => services('s').register('i', { addr: 'a', metadata: 1n }),
      /^metadata: expected a value that JSON can represent, received/,
    ],
    [
      'raw',
      ({ call }) => call('/kv/range', {}, given({ stream: true })),
      /^stream of call: expected one of the options .*streaming, raw, received an unknown option$/,
    ],
    [
      'raw',
      ({ call }) => call('/kv/range', {}, given({ safety: 'safe' })),
      /^safety of call: expected one of read, write, received string$/,
    ],
    ['a call', ({ lease }) => lease.leases(given({ timeout: 5 })), /^timeout of Lease.LeaseLeases: expected one of the options/],
  ])('of %s', async (_, use, says) => {
    expect((await failureWith('InvalidArgument', use(etcd))).message).toMatch(says);
  });

  test('of services at once, and of liveValueState as a state', async () => {
    expect(() => etcd.services('s', given({ oninvalid: 1 }))).toThrow('oninvalid of services: expected one of the options onInvalid');
    const state = await lastValueFrom(etcd.liveValueState('a', given({ codec: 1 })));
    expect(state).toMatchObject({
      status: 'failed',
      error: { message: 'codec of liveValueState: expected an io-ts codec or a Standard Schema, received number' },
    });
  });
});

describe('an invalid argument is rejected', () => {
  test.each<[name: string, use: Use, says: RegExp]>([
    ['get', ({ kv }) => kv.get(given(undefined)), /^RangeRequest.key: expected bytes \(a string or Uint8Array\), received nothing/],
    ['get in a namespace', ({ namespace }) => namespace('n/').kv.get(given(null)), /^RangeRequest.key: expected bytes .* received null/],
    [
      'put in a namespace',
      ({ namespace }) => namespace('n/').kv.put(given(undefined), 'v'),
      /^PutRequest.key: expected bytes .* received nothing/,
    ],
    ['put', ({ kv }) => kv.put('\ud800', 'v'), /^PutRequest.key: expected bytes .* received text with half of a surrogate pair/],
    ['put', ({ kv }) => kv.put('k', 'v\ud800'), /^PutRequest.value: expected bytes .* received text with half of a surrogate pair/],
    ['get', ({ kv }) => kv.get('\udc00'), /^RangeRequest.key: expected bytes .* received text with half of a surrogate pair/],
    ['watch', ({ watch }) => watch({ prefix: '\ud800' }), /received text with half of a surrogate pair, .* in the field prefix/],
    [
      'lock',
      ({ lock }) => lock('\ud800'),
      /^name of a lock: expected a string that is not empty, received text with half of a surrogate pair/,
    ],
    ['tx.get', ({ stm }) => stm((tx) => tx.get('\ud800')), /received text with half of a surrogate pair, .* in the field key/],
    [
      'authenticate',
      ({ auth }) => auth.authenticate('u', 'p\ud800'),
      /^AuthenticateRequest.password: expected string, received text with half/,
    ],
    [
      'putTo',
      ({ kv }) => of('v\ud800').pipe(putTo(kv, 'k')),
      /^PutRequest.value: expected bytes .* received text with half of a surrogate pair/,
    ],
    ['commitTxn', ({ kv }) => of(1).pipe(commitTxn(kv, () => given(undefined))), /^options of txn: expected an object, received nothing$/],
    [
      'txn',
      ({ kv }) => kv.txn({ success: [put('a', 'b'), given(undefined)] }),
      /^success\[1\] of a txn: expected an operation .*, received nothing$/,
    ],
    ['txn', ({ kv }) => kv.txn({ failure: given(Array(1)) }), /^failure\[0\] of a txn: expected an operation .*, received nothing$/],
    ['txn', ({ kv }) => kv.txn({ failure: [given({ op: 'puts' })] }), /^failure\[0\] of a txn: expected an operation .*, received object$/],
    [
      'txn',
      ({ kv }) => kv.txn({ compare: [given(null)] }),
      /^compare\[0\] of a txn: expected a condition made with key\(…\), received null$/,
    ],
    [
      'txn',
      ({ kv }) => kv.txn({ compare: [key('a').version.equals(given(undefined))] }),
      /^condition on VERSION: expected a value to compare it with, received nothing/,
    ],
    ['userAdd', ({ auth }) => auth.userAdd('u', given(undefined)), /^options of auth.userAdd: expected an object, received nothing$/],
    [
      'userAdd',
      ({ auth }) => auth.userAdd('u', given({})),
      /^user of auth.userAdd: expected exactly one of password, hashedPassword, noPassword, received 0/,
    ],
    [
      'userAdd',
      ({ auth }) => auth.userAdd('u', given({ password: 'a', noPassword: true })),
      /^user of auth.userAdd: expected exactly one of .*, received 2/,
    ],
    ['userChangePassword', ({ auth }) => auth.userChangePassword('u', given(undefined)), /^options of auth.userChangePassword: expected/],
    [
      'userChangePassword',
      ({ auth }) => auth.userChangePassword('u', given({ password: undefined })),
      /^user of auth.userChangePassword: expected exactly one of password, hashedPassword, received 0/,
    ],
    [
      'a permission',
      ({ auth }) => auth.roleGrantPermission('r', given(undefined), 'a'),
      /^Permission.permType: expected PermissionType .* received nothing/,
    ],
    [
      'an alarm',
      ({ maintenance }) => maintenance.alarmDeactivate(given({})),
      /^alarm of maintenance.alarmDeactivate: expected one of NONE, NOSPACE, CORRUPT/,
    ],
    ['a downgrade', ({ maintenance }) => maintenance.downgrade(given(undefined), '3.4'), /^DowngradeRequest.action: expected/],
    ['a leader', ({ electionService }) => electionService.resign(given({ name: 'e' })), /^LeaderKey.key: expected/],
    ['stm', ({ stm }) => stm(given('x')), /^body of stm: expected a function, received string$/],
    [
      'tx.put',
      ({ stm }) => stm((tx) => tx.put('a', given(undefined))),
      /^value of tx.put: expected a string or a Uint8Array, received nothing$/,
    ],
    [
      'lockWaiters',
      ({ lockWaiters }) => lockWaiters(given(undefined)),
      /^name of a lock: expected a string that is not empty, received nothing$/,
    ],
    ['call', ({ call }) => call(given(5n), {}), /^path of call: expected a path such as \/kv\/range, .* received bigint$/],
    ['call', ({ call }) => call('/kv/range', given({ limit: 5n })), /^body of call: expected a value that JSON can represent, received/],
  ])('of %s', async (_, use, says) => {
    expect((await failureWith('InvalidArgument', use(etcd))).message).toMatch(says);
  });
});
