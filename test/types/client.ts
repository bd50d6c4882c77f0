/** The results of the services, and the options that they accept. Checked by the compiler; never run. */
import { expectTypeOf } from 'expect-type';
import * as t from 'io-ts';
import type { Observable } from 'rxjs';
import {
  createClient,
  type Client,
  type ClientOptions,
  type KeyValue,
  type LeaseId,
  type Member,
  type MemberId,
  type MetricFamily,
  type RangeResponse,
  type RawResponse,
  type SnapshotPart,
  type WatchEvent,
  type WatchState,
} from 'rxetcd';

type ValueOf<T> = T extends Observable<infer V> ? V : never;

export function liveViews({ liveReady, liveValue, watch, watchOnce }: Client): void {
  const onInvalid = (): void => undefined;
  expectTypeOf(liveReady({ prefix: 'a/' })).toEqualTypeOf<Observable<boolean>>();
  expectTypeOf(liveValue('a', { codec: t.number, onInvalid, fallback: 0 })).toEqualTypeOf<Observable<number | undefined>>();
  // @ts-expect-error -- what stands in is of the codec's type
  void liveValue('a', { codec: t.number, onInvalid, fallback: 'none' });
  void watchOnce('a', { onStart: (revision) => expectTypeOf(revision).toEqualTypeOf<number>() });
  // @ts-expect-error -- it is a function
  void watch('a', { onStart: true });
  void watch('a', { onState: (state) => expectTypeOf(state).toEqualTypeOf<WatchState>() });
  // @ts-expect-error -- a watch that ends errors or completes, and has no state then
  void watch('a', { onState: ({ status }) => status === 'closed' });
}

export function services({ kv, lease, cluster, maintenance, lockService, electionService, watch, metrics }: Client): void {
  expectTypeOf(kv.get('a')).toEqualTypeOf<Observable<KeyValue | undefined>>();
  expectTypeOf(kv.exists('a')).toEqualTypeOf<Observable<boolean>>();
  expectTypeOf(kv.count({ all: true })).toEqualTypeOf<Observable<number>>();
  expectTypeOf(kv.range('a')).toEqualTypeOf<Observable<RangeResponse>>();
  expectTypeOf(kv.pages({ all: true })).toEqualTypeOf<Observable<RangeResponse>>();
  expectTypeOf(watch('a')).toEqualTypeOf<Observable<WatchEvent>>();
  expectTypeOf(metrics()).toEqualTypeOf<Observable<readonly MetricFamily[]>>();
  expectTypeOf(maintenance.snapshot()).toEqualTypeOf<Observable<SnapshotPart>>();
  expectTypeOf<ValueOf<ReturnType<typeof lease.grant>>['id']>().toEqualTypeOf<LeaseId>();
  expectTypeOf<ValueOf<ReturnType<typeof lease.timeToLive>>['keys']>().toEqualTypeOf<readonly Uint8Array[]>();
  expectTypeOf<ValueOf<ReturnType<typeof cluster.memberList>>['members']>().toEqualTypeOf<readonly Member[]>();
  expectTypeOf<Member['id']>().toEqualTypeOf<MemberId>();
  expectTypeOf<ValueOf<ReturnType<typeof lockService.lock>>['key']>().toEqualTypeOf<Uint8Array>();
  expectTypeOf<ValueOf<ReturnType<typeof electionService.leader>>['kv']>().toEqualTypeOf<KeyValue | undefined>();
}

export function everyCallTakesTheOptionsOfCalls({ kv, lease, auth }: Client, signal: AbortSignal): void {
  const call = { timeoutMs: 1, signal, endpoint: 'http://127.0.0.1:2379', headers: { 'x-id': '1' }, requireLeader: true };
  void kv.get('a', { ...call, revision: 1, serializable: true });
  void kv.put('a', 'x', { ...call, prevKv: true });
  void kv.txn({}, call);
  void lease.leases(call);
  void auth.userList(call);
  // @ts-expect-error there is no such option
  void kv.get('a', { timeout: 1 });
  // @ts-expect-error a count has no limit
  void kv.count('a', { limit: 1 });
  // @ts-expect-error pages are in the order of the keys
  void kv.pages('a', { sortOrder: 'DESCEND' });
  // @ts-expect-error a lease is identified by its id, not by any text
  void lease.revoke('1');
}

export function callTakesItsTypeFromTheCodec({ call }: Client): void {
  expectTypeOf(call('/kv/range', {})).toEqualTypeOf<Observable<unknown>>();
  expectTypeOf(call('/kv/range', {}, { safety: 'read' })).toEqualTypeOf<Observable<unknown>>();
  expectTypeOf(call('/kv/range', {}, { raw: true })).toEqualTypeOf<Observable<RawResponse>>();
  expectTypeOf(call('/kv/range', {}, { raw: true, streaming: true })).toEqualTypeOf<Observable<unknown>>();
  expectTypeOf(call('/kv/range', {}, { codec: t.type({ count: t.string }) })).toEqualTypeOf<Observable<{ count: string }>>();
  // @ts-expect-error a function is no JSON
  void call('/kv/range', { key: () => 'a' });
}

export function options(): void {
  expectTypeOf(createClient).parameter(0).toEqualTypeOf<ClientOptions | undefined>();
  createClient({ endpoints: ['https://a:2379'], auth: { username: 'u', password: 'p' } });
  createClient({ auth: { token: async () => 'token' } });
  // @ts-expect-error a password goes with a name
  createClient({ auth: { password: 'p' } });
  // @ts-expect-error there is no such option
  createClient({ hosts: 'a:2379' });
}
