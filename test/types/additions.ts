/** The types of the functions and methods that exist in other clients, or that programs need in addition. Never run. */
import { expectTypeOf } from 'expect-type';
import type { Either } from 'fp-ts/lib/Either.js';
import { filter, type Observable, type OperatorFunction } from 'rxjs';
import {
  AlarmType,
  createClient,
  errorFrom,
  isCreate,
  isModify,
  SortOrder,
  type Auth,
  type Client,
  type Diagnostic,
  type EtcdError,
  type InvalidValueError,
  type KeyValue,
  type PutEvent,
  type Session,
  type StandardSchema,
  type WatchEvent,
} from 'rxetcd';
import { parseJsonStream } from 'rxetcd/operators';
import { loadSwagger, type SwaggerSpec } from 'rxetcd/swagger';

type ValueOf<T> = T extends Observable<infer V> ? V : never;

export function errorsAndEnumsAtRunTime(): void {
  expectTypeOf(errorFrom('etcdserver: key not found', 3)).toEqualTypeOf<EtcdError>();
  expectTypeOf(errorFrom('etcdserver: key not found', 'InvalidArgument').codeNumber).toEqualTypeOf<number>();
  // @ts-expect-error gRPC has no such code
  errorFrom('etcdserver: key not found', 'NotThere');
  expectTypeOf(SortOrder).toEqualTypeOf<readonly ['NONE', 'ASCEND', 'DESCEND']>();
  expectTypeOf(AlarmType).toEqualTypeOf<readonly ['NONE', 'NOSPACE', 'CORRUPT']>();
}

export function streamsAndSwagger(): void {
  expectTypeOf(parseJsonStream()).toExtend<OperatorFunction<Uint8Array | string, unknown>>();
  expectTypeOf(loadSwagger({})).toEqualTypeOf<SwaggerSpec>();
  expectTypeOf(loadSwagger({}).enums).toEqualTypeOf<ReadonlyMap<string, readonly string[]>>();
}

export function eventsAreNarrowed(etcd: Client): void {
  expectTypeOf(etcd.watch('a').pipe(filter(isCreate))).toEqualTypeOf<Observable<PutEvent>>();
  expectTypeOf(etcd.watch('a').pipe(filter(isModify))).toEqualTypeOf<Observable<PutEvent>>();
  expectTypeOf(etcd.watchOnce('a', { filter: ({ type }) => type === 'delete' })).toEqualTypeOf<Observable<WatchEvent>>();
  // @ts-expect-error a filter decides at once
  void etcd.watchOnce('a', { filter: async () => true });
  expectTypeOf(etcd.requestProgress()).toEqualTypeOf<Observable<void>>();
}

export function sessionsHoldManyThings(etcd: Client): void {
  expectTypeOf(etcd.session({ ttl: 15 })).toEqualTypeOf<Observable<Session>>();
  expectTypeOf<Session['orphan']>().toEqualTypeOf<() => void>();
  etcd.session({ ttl: 15 }).subscribe((session) => {
    void etcd.lock('a', { session });
    void etcd.election('a').campaign('me', { session });
  });
}

export function locksAreWaitedFor(etcd: Client): void {
  expectTypeOf(etcd.whenUnlocked('a')).toEqualTypeOf<Observable<void>>();
  expectTypeOf<ValueOf<ReturnType<typeof etcd.lockWaiters>>>().toExtend<readonly object[]>();
}

export function clientsAndTheirOptions(etcd: Client, auth: Auth): void {
  expectTypeOf(etcd.withAuth(auth)).toEqualTypeOf<Client>();
  expectTypeOf(etcd.withAuth(undefined)).toEqualTypeOf<Client>();
  expectTypeOf(etcd.sync()).toEqualTypeOf<Observable<readonly string[]>>();
  expectTypeOf(etcd.diagnostics$).toEqualTypeOf<Observable<Diagnostic>>();
  createClient({ retry: { maxAttempts: 2, initialBackoffMs: 10, maxBackoffMs: 100, jitter: 0.5 }, streams: { maxRetries: 3 } });
  createClient({ endpoints: 'localhost:2379', logger: console });
  // @ts-expect-error a logger has four levels
  createClient({ logger: { info: () => undefined } });
  // @ts-expect-error there is no such part of `retry`
  createClient({ retry: { attempts: 2 } });
}

export function diagnosticsAreToldByTheirType(event: Diagnostic): void {
  if (event.type === 'attemptFailed') expectTypeOf(event.error).toEqualTypeOf<EtcdError>();
}

export function servicesAreChanged(etcd: Client): void {
  const services = etcd.services('app');
  void services.update([
    { type: 'put', id: 'a', addr: 'a:1' },
    { type: 'delete', id: 'b' },
  ]);
  // @ts-expect-error an endpoint has an address
  void services.update([{ type: 'put', id: 'a' }]);
  expectTypeOf(services.list()).toEqualTypeOf<typeof services.endpoints$>();
  void services.delete('a');
}

export function keysAreLeftAloneAndAnnounced(etcd: Client, value: Observable<string>): void {
  // A returned key is used unchanged.
  void etcd.update('a', (kv) => kv);
  void etcd.update('a', () => undefined);
  // @ts-expect-error a value is text or bytes
  void etcd.update('a', () => 1);
  void etcd.announce('a', 'here', { ttl: 15 });
  void etcd.announce('a', value, { ttl: 15 });
  // @ts-expect-error a number is no value
  void etcd.announce('a', 1, { ttl: 15 });
}

export function valuesAreReadByAnyValidator(etcd: Client, kv: KeyValue, schema: StandardSchema<{ color: string }>): void {
  expectTypeOf(etcd.kv.entries({ prefix: 'a' })).toEqualTypeOf<Observable<Readonly<Record<string, string>>>>();
  expectTypeOf(kv.json()).toEqualTypeOf<Either<InvalidValueError, unknown>>();
  expectTypeOf(kv.json(schema)).toEqualTypeOf<Either<InvalidValueError, { color: string }>>();
}
