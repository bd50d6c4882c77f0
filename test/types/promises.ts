/**
 * The types of a client's promises, and of resources that are held by a promise. Checked by the compiler; never run.
 */
import { expectTypeOf } from 'expect-type';
import * as t from 'io-ts';
import {
  get,
  hold,
  put,
  type Client,
  type DeleteRangeResponse,
  type Endpoint,
  type Held,
  type KeyValue,
  type LeaseGrantResponse,
  type LockHandle,
  type LockWaiter,
  type MemberListResponse,
  type Namespace,
  type OwnershipEvent,
  type Promises,
  type PutResponse,
  type RangeResponse,
  type Registration,
  type StmResult,
  type UpdateResult,
  type WatchEvent,
} from 'rxetcd';

export function oneValueIsAPromise({ promises }: Client, signal: AbortSignal): void {
  expectTypeOf(promises.kv.put('a', '1', { signal })).toEqualTypeOf<Promise<PutResponse>>();
  expectTypeOf(promises.kv.get('a')).toEqualTypeOf<Promise<KeyValue | undefined>>();
  expectTypeOf(promises.kv.exists('a')).toEqualTypeOf<Promise<boolean>>();
  expectTypeOf(promises.kv.delete({ all: true })).toEqualTypeOf<Promise<DeleteRangeResponse>>();
  expectTypeOf(promises.cluster.memberList()).toEqualTypeOf<Promise<MemberListResponse>>();
  expectTypeOf(promises.lease.grant(10)).toEqualTypeOf<Promise<LeaseGrantResponse>>();
  expectTypeOf(promises.lockWaiters('l')).toEqualTypeOf<Promise<readonly LockWaiter[]>>();
  expectTypeOf(promises.watchOnce('a')).toEqualTypeOf<Promise<WatchEvent>>();
  expectTypeOf(promises.update('a', () => '1')).toEqualTypeOf<Promise<UpdateResult>>();
  expectTypeOf(promises.requestProgress()).toEqualTypeOf<Promise<void>>();
  expectTypeOf(promises.barrier('b').wait()).toEqualTypeOf<Promise<void>>();
  expectTypeOf(promises.queue('q').dequeue()).toEqualTypeOf<Promise<KeyValue>>();
  expectTypeOf(promises.endpoints()).toEqualTypeOf<readonly string[]>();
  // @ts-expect-error -- there is no such option
  void promises.kv.put('a', '1', { timeout: 1 });
}

export function genericMethodsKeepTheirTypes({ promises }: Client): void {
  expectTypeOf(promises.call('/v3/x', {})).toEqualTypeOf<Promise<unknown>>();
  expectTypeOf(promises.call('/v3/x', {}, { codec: t.string })).toEqualTypeOf<Promise<string>>();
  expectTypeOf(promises.liveValue('a', { codec: t.number })).toEqualTypeOf<AsyncIterable<number | undefined>>();
  expectTypeOf(promises.stm(async (tx) => (await tx.get('a'))?.value)).toEqualTypeOf<Promise<StmResult<string | undefined>>>();
  void promises.kv.txn({ success: [put('a', '1')], failure: [get('a')] }).then((result) => {
    if (!result.succeeded) expectTypeOf(result.responses[0]).toEqualTypeOf<KeyValue | undefined>();
  });
}

export function streamsAreAsyncIterables({ promises }: Client): void {
  expectTypeOf(promises.watch('a')).toEqualTypeOf<AsyncIterable<WatchEvent>>();
  expectTypeOf(promises.kv.pages({ all: true })).toEqualTypeOf<AsyncIterable<RangeResponse>>();
  expectTypeOf(promises.election('e').leader$).toEqualTypeOf<AsyncIterable<KeyValue | undefined>>();
  expectTypeOf(promises.services('s').endpoints$).toEqualTypeOf<AsyncIterable<ReadonlyMap<string, Endpoint>>>();
}

export async function heldByAPromise({ promises, lock, lease }: Client): Promise<void> {
  expectTypeOf(promises.lock('l')).toEqualTypeOf<Promise<Held<LockHandle>>>();
  expectTypeOf(promises.semaphore('s', 2)).toEqualTypeOf<Promise<Held<LockHandle>>>();
  expectTypeOf(promises.services('s').register('a', { addr: 'a:1' })).toEqualTypeOf<Promise<Held<Registration>>>();
  const { value } = await promises.election('e').campaign('me');
  expectTypeOf(value.proclaim('x')).toEqualTypeOf<Promise<void>>();
  expectTypeOf(value.revision).toEqualTypeOf<number>();
  expectTypeOf((await promises.lease({ ttl: 10 })).value.lease.refresh()).toEqualTypeOf<Promise<number>>();
  expectTypeOf(hold(lock('l'))).toEqualTypeOf<Promise<Held<LockHandle>>>();
  expectTypeOf(hold(lock('l', { onLost: 'reacquire' }))).toEqualTypeOf<Promise<Held<OwnershipEvent<LockHandle>>>>();
  await using held = await hold(lease({ ttl: 10 }));
  expectTypeOf(held.signal).toEqualTypeOf<AbortSignal>();
  expectTypeOf(held.lost).toEqualTypeOf<Promise<never>>();
}

export function withLock({ promises }: Client): void {
  const done = promises.withLock('l', async ({ guard }, signal) => ({ guard, signal }), { ttl: 5 });
  void done.then(({ signal }) => expectTypeOf(signal).toEqualTypeOf<AbortSignal>());
  // @ts-expect-error -- a loss ends the work
  void promises.withLock('l', () => 1, { onLost: 'reacquire' });
}

export function ofANamespace({ promises, namespace }: Client): void {
  expectTypeOf(promises.namespace('n/')).toEqualTypeOf<Promises<Namespace>>();
  expectTypeOf(namespace('n/').promises).toEqualTypeOf<Promises<Namespace>>();
  expectTypeOf(promises.withSignal(AbortSignal.timeout(1))).toEqualTypeOf<Promises<Client>>();
}
