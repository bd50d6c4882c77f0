import { describe, expect, test } from '@jest/globals';
import { put, txn } from 'rxetcd';
import type { Observable } from 'rxjs';
import { withEtcd } from './support/fixture.js';
import { failureWith } from './support/outcomes.js';

const fixture = withEtcd();

/** What a program in JavaScript gives, or one that has it from a variable. */
const given = (options: unknown): never => options as never;

type Use = (etcd: typeof fixture.etcd) => Observable<unknown>;

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
    ['lock', ({ lock }) => lock('l', given({ timeout: 5 })), /^lock has no option "timeout"; it has ttl, lease, reentrant, timeoutMs$/],
    ['lock', ({ lock }) => lock('l', given({ lease: 5 })), /^lock: lease is the id of a lease, a decimal string, not 5$/],
    ['tryLock', ({ tryLock }) => tryLock('l', given({ timeoutMs: 5 })), /^tryLock has no option "timeoutMs"/],
    [
      'campaign',
      ({ election }) => election('e').campaign('v', given({ ttl: '5' })),
      /^campaign: ttl is a whole number from 1, not string$/,
    ],
    ['semaphore', ({ semaphore }) => semaphore('s', 1, given({ timeoutMs: '5' })), /^semaphore: timeoutMs is/],
    ['readLock', ({ readLock }) => readLock('r', given({ TTL: 5 })), /^readLock has no option "TTL"/],
    ['enter', ({ doubleBarrier }) => doubleBarrier('d', 2).enter(given({ TTL: 5 })), /^enter has no option "TTL"/],
    ['hold', ({ barrier }) => barrier('b').hold(given({ ttl: 5 })), /^hold has no option "ttl"/],
    ['txn', ({ kv }) => kv.txn(given({ then: [put('a', 'b')] })), /^txn has no option "then"; it has compare, success, failure$/],
    ['txn', ({ kv }) => kv.txn(given({ success: put('a', 'b') })), /^txn: success is an array, not object$/],
    ['a txn in a txn', ({ kv }) => kv.txn({ success: [txn(given({ else: [] }))] }), /^txn has no option "else"/],
    ['a call', ({ kv }) => kv.put('a', 'b', given({ timeoutMs: '5' })), /^KV.Put: timeoutMs is .* not string$/],
    ['a call', ({ kv }) => kv.range('a', given({ monotonic: 'x' })), /^KV.Range: monotonic is true or false, not string$/],
    ['a call', ({ kv }) => kv.put('a', 'b', given({ signal: 5 })), /^KV.Put: signal is an AbortSignal, not 5$/],
    ['a call', ({ lease }) => lease.leases(given({ timeout: 5 })), /^Lease.LeaseLeases has no option "timeout"/],
  ])('of %s', async (_, use, says) => {
    expect((await failureWith('InvalidArgument', use(fixture.etcd))).message).toMatch(says);
  });
});
