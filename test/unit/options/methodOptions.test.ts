import { afterAll, describe, expect, test } from '@jest/globals';
import { lastValueFrom, of, type Observable } from 'rxjs';
import { commitTxn, putTo } from '../../../operators/index.js';
import { createClient, key, put, txn, type Client } from '../../../src/index.js';
import { failureWith } from '../../integration/support/outcomes.js';

/** Nobody is there: nothing is sent. */
const etcd = createClient({ endpoints: 'http://127.0.0.1:1', retry: false });
afterAll(() => etcd.close());

/** What a program in JavaScript gives, or one that has it from a variable. */
const given = (options: unknown): never => options as never;

type Use = (etcd: Client) => Observable<unknown>;

describe('an option is refused', () => {
  test.each<[name: string, use: Use, says: RegExp]>([
    [
      'watch',
      ({ watch }) => watch('a', given({ startRevison: 10 })),
      /^watch has no option "startRevison"; it has prevKv, .*startRevision$/,
    ],
    ['watch', ({ watch }) => watch('a', given({ prevKv: 1 })), /^watch: prevKv is true or false, not 1$/],
    ['watch', ({ watch }) => watch('a', given({ startRevision: 1.5 })), /^watch: startRevision is a whole number from 1, not 1.5$/],
    ['watch', ({ watch }) => watch('a', given(null)), /^the options of watch are an object, not null$/],
    ['watchBatches', ({ watchBatches }) => watchBatches('a', given({ from: 1 })), /^watchBatches has no option "from"/],
    ['watchOnce', ({ watchOnce }) => watchOnce('a', { timeoutMs: NaN }), /^watchOnce: timeoutMs is .* not NaN$/],
    ['lease', ({ lease }) => lease({ ttl: 5, release: given('x') }), /^lease: release is one of revoke, keep, not a?.*string$/],
    ['lease', ({ lease }) => lease({ ttl: 5, onlost: 'x' } as never), /^lease has no option "onlost"/],
    ['lease', ({ lease }) => lease(given({})), /^lease: ttl is a whole number of seconds from 1, not nothing$/],
    ['adopt', ({ lease }) => lease.adopt(given('1'), given({ release: 1 })), /^lease.adopt: release is/],
    [
      'lock',
      ({ lock }) => lock('l', given({ timeout: 5 })),
      /^lock has no option "timeout"; it has ttl, lease, reentrant, timeoutMs, onLost$/,
    ],
    ['lock', ({ lock }) => lock('l', given({ lease: 5 })), /^lock: lease is the id of a lease, a decimal string, not 5$/],
    ['tryLock', ({ tryLock }) => tryLock('l', given({ timeoutMs: 5 })), /^tryLock has no option "timeoutMs"/],
    [
      'campaign',
      ({ election }) => election('e').campaign('v', given({ ttl: '5' })),
      /^campaign: ttl is a whole number from 1, not string$/,
    ],
    [
      'campaign',
      ({ election }) => election('e').campaign('v', given({ onLost: 'regrant' })),
      /^campaign: onLost is one of error, reacquire, not string$/,
    ],
    ['tryLock', ({ tryLock }) => tryLock('l', given({ onLost: 'reacquire' })), /^tryLock has no option "onLost"/],
    ['semaphore', ({ semaphore }) => semaphore('s', 1, given({ timeoutMs: '5' })), /^semaphore: timeoutMs is/],
    ['readLock', ({ readLock }) => readLock('r', given({ TTL: 5 })), /^readLock has no option "TTL"/],
    ['enter', ({ doubleBarrier }) => doubleBarrier('d', 2).enter(given({ TTL: 5 })), /^enter has no option "TTL"/],
    ['hold', ({ barrier }) => barrier('b').hold(given({ ttl: 5 })), /^hold has no option "ttl"/],
    ['txn', ({ kv }) => kv.txn(given({ then: [put('a', 'b')] })), /^txn has no option "then"; it has compare, success, failure$/],
    ['txn', ({ kv }) => kv.txn(given({ success: put('a', 'b') })), /^txn: success is an array, not object$/],
    ['a txn in a txn', ({ kv }) => kv.txn({ success: [txn(given({ else: [] }))] }), /^txn has no option "else"/],
    ['a call', ({ kv }) => kv.put('a', 'b', given({ timeoutMs: '5' })), /^kv.put: timeoutMs is .* not string$/],
    ['a call', ({ kv }) => kv.range('a', given({ monotonic: 'x' })), /^kv.range: monotonic is true or false, not string$/],
    ['a call', ({ kv }) => kv.put('a', 'b', given({ signal: 5 })), /^kv.put: signal is an AbortSignal, not 5$/],
    ['a call', ({ kv }) => kv.put('a', 'b', given(null)), /^the options of kv.put are an object, not null$/],
    ['a call', ({ kv }) => kv.get('a', given(new Map([['revision', 1]]))), /^the options of kv.get are an object, not Map$/],
    ['a call that would be of many keys', ({ kv }) => kv.delete('a', given({ rangeEnd: 'z' })), /^kv.delete has no option "rangeEnd"/],
    ['a call that would be of another key', ({ kv }) => kv.put('a', 'b', given({ key: 'c' })), /^kv.put has no option "key"/],
    ['an operation', ({ kv }) => kv.txn({ success: [put('a', 'b', given({ key: 'c' }))] }), /^put has no option "key"/],
    ['kv.pages', ({ kv }) => kv.pages('a', given({ limit: 5 })), /^kv.pages has no option "limit"; it has .*pageSize, consume$/],
    ['kv.exists', ({ kv }) => kv.exists('a', given({ keysOnly: true })), /^kv.exists has no option "keysOnly"/],
    ['stm', ({ stm }) => stm(() => 1, given({ maxTry: 1 })), /^stm has no option "maxTry"; it has maxAttempts, isolation, prefetch$/],
    ['stm', ({ stm }) => stm(() => 1, given({ isolation: 'x' })), /^stm: isolation is one of serializableSnapshot, .* not string$/],
    ['stm', ({ stm }) => stm(() => 1, given({ prefetch: 'a' })), /^stm: prefetch is an array, not string$/],
    [
      'update',
      ({ update }) => update('a', () => 'b', given({ leases: '5' })),
      /^update has no option "leases"; it has maxAttempts, lease$/,
    ],
    ['update', ({ update }) => update('a', () => 'b', { maxAttempts: 0 }), /^update: maxAttempts is a whole number from 1, not 0$/],
    ['liveValue', ({ liveValue }) => liveValue('a', given({})), /^liveValue: codec is an io-ts codec, not nothing$/],
    ['liveValue', ({ liveValue }) => liveValue('a', given({ codec: { decode: 1 } })), /^liveValue: codec is an io-ts codec, not object$/],
    ['liveValue', ({ liveValue }) => liveValue('a', given(undefined)), /^the options of liveValue are an object, not nothing$/],
    ['register', ({ services }) => services('s').register('i', given({ address: 'a' })), /^register has no option "address"; it has addr,/],
    ['register', ({ services }) => services('s').register('i', { addr: 'a', ttl: 0.5 }), /^register: ttl is a whole number/],
    ['register', ({ services }) => services('s').register('i', { addr: 'a', metadata: 1n }), /^metadata cannot be written as JSON/],
    ['raw', ({ call }) => call('/kv/range', {}, given({ stream: true })), /^call has no option "stream"; it has .*streaming$/],
    ['raw', ({ call }) => call('/kv/range', {}, given({ safety: 'safe' })), /^call: safety is one of read, write, not string$/],
    ['a call', ({ lease }) => lease.leases(given({ timeout: 5 })), /^Lease.LeaseLeases has no option "timeout"/],
  ])('of %s', async (_, use, says) => {
    expect((await failureWith('InvalidArgument', use(etcd))).message).toMatch(says);
  });

  test('of services at once, and of liveValueState as a state', async () => {
    expect(() => etcd.services('s', given({ oninvalid: 1 }))).toThrow('services has no option "oninvalid"; it has onInvalid');
    const state = await lastValueFrom(etcd.liveValueState('a', given({ codec: 1 })));
    expect(state).toMatchObject({ status: 'failed', error: { message: 'liveValueState: codec is an io-ts codec, not 1' } });
  });
});

describe('an argument is refused', () => {
  test.each<[name: string, use: Use, says: RegExp]>([
    ['get', ({ kv }) => kv.get(given(undefined)), /^RangeRequest.key must be bytes \(a string or Uint8Array\), not nothing/],
    ['get in a namespace', ({ namespace }) => namespace('n/').kv.get(given(null)), /^RangeRequest.key must be bytes .* not null/],
    [
      'put in a namespace',
      ({ namespace }) => namespace('n/').kv.put(given(undefined), 'v'),
      /^PutRequest.key must be bytes .* not nothing/,
    ],
    ['put', ({ kv }) => kv.put('\ud800', 'v'), /^PutRequest.key must be bytes .*, not text with half of a surrogate pair in it/],
    ['put', ({ kv }) => kv.put('k', 'v\ud800'), /^PutRequest.value must be bytes .*, not text with half of a surrogate pair in it/],
    ['get', ({ kv }) => kv.get('\udc00'), /^RangeRequest.key must be bytes .*, not text with half of a surrogate pair in it/],
    ['watch', ({ watch }) => watch({ prefix: '\ud800' }), /its prefix cannot be text with half of a surrogate pair in it/],
    ['lock', ({ lock }) => lock('\ud800'), /^the name of a lock is a string that is not empty, not text with half of a surrogate pair/],
    ['tx.get', ({ stm }) => stm((tx) => tx.get('\ud800')), /its key cannot be text with half of a surrogate pair in it/],
    ['authenticate', ({ auth }) => auth.authenticate('u', 'p\ud800'), /^AuthenticateRequest.password must be string, not text with half/],
    ['putTo', ({ kv }) => of('v\ud800').pipe(putTo(kv, 'k')), /^PutRequest.value must be bytes .*, not text with half of a surrogate pair/],
    ['commitTxn', ({ kv }) => of(1).pipe(commitTxn(kv, () => given(undefined))), /^the options of txn are an object, not nothing$/],
    ['txn', ({ kv }) => kv.txn({ success: [put('a', 'b'), given(undefined)] }), /^success\[1\] of a txn is an operation .*, not nothing$/],
    ['txn', ({ kv }) => kv.txn({ failure: given(Array(1)) }), /^failure\[0\] of a txn is an operation .*, not nothing$/],
    ['txn', ({ kv }) => kv.txn({ failure: [given({ op: 'puts' })] }), /^failure\[0\] of a txn is an operation .*, not object$/],
    ['txn', ({ kv }) => kv.txn({ compare: [given(null)] }), /^compare\[0\] of a txn is a condition that key\(…\) makes, not null$/],
    ['txn', ({ kv }) => kv.txn({ compare: [key('a').version.equals(given(undefined))] }), /^a condition on VERSION has nothing to compare/],
    ['userAdd', ({ auth }) => auth.userAdd('u', given(undefined)), /^the options of auth.userAdd are an object, not nothing$/],
    ['userAdd', ({ auth }) => auth.userAdd('u', given({})), /^auth.userAdd takes one of password, hashedPassword, noPassword, not 0/],
    ['userAdd', ({ auth }) => auth.userAdd('u', given({ password: 'a', noPassword: true })), /^auth.userAdd takes one of .*, not 2/],
    ['userChangePassword', ({ auth }) => auth.userChangePassword('u', given(undefined)), /^the options of auth.userChangePassword are/],
    [
      'userChangePassword',
      ({ auth }) => auth.userChangePassword('u', given({ password: undefined })),
      /^auth.userChangePassword takes one/,
    ],
    ['a permission', ({ auth }) => auth.roleGrantPermission('r', given(undefined), 'a'), /^Permission.permType must be .* not nothing/],
    [
      'an alarm',
      ({ maintenance }) => maintenance.alarmDeactivate(given({})),
      /^maintenance.alarmDeactivate: alarm is one of NOSPACE, CORRUPT/,
    ],
    ['a downgrade', ({ maintenance }) => maintenance.downgrade(given(undefined), '3.4'), /^DowngradeRequest.action must be/],
    ['a leader', ({ electionService }) => electionService.resign(given({ name: 'e' })), /^LeaderKey.key must be/],
    ['stm', ({ stm }) => stm(given('x')), /^stm: body is a function, not string$/],
    ['tx.put', ({ stm }) => stm((tx) => tx.put('a', given(undefined))), /^tx.put: value is a string or a Uint8Array, not nothing$/],
    ['lockWaiters', ({ lockWaiters }) => lockWaiters(given(undefined)), /^the name of a lock is a string that is not empty, not nothing$/],
    ['call', ({ call }) => call(given(5n), {}), /^call: path is a path like \/kv\/range, .* not bigint$/],
    ['call', ({ call }) => call('/kv/range', given({ limit: 5n })), /^call: body cannot be written as JSON/],
  ])('of %s', async (_, use, says) => {
    expect((await failureWith('InvalidArgument', use(etcd))).message).toMatch(says);
  });
});
