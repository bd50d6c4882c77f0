/** The parts of a client that a namespace has, and those that it lacks. Checked by the compiler; never run. */
import { expectTypeOf } from 'expect-type';
import { withLease, withLock } from 'rxetcd/operators';
import type { Client, Namespace } from 'rxetcd';

export function aClientIsTheNamespaceOfAllKeys(etcd: Client, namespace: Namespace): void {
  expectTypeOf<Client>().toExtend<Namespace>();
  expectTypeOf<Namespace>().not.toExtend<Client>();
  expectTypeOf(etcd.namespace('a/')).toEqualTypeOf<Namespace>();
  expectTypeOf(etcd.namespace(Uint8Array.of(1)).namespace('b/')).toEqualTypeOf<Namespace>();
  expectTypeOf(namespace.kv).toEqualTypeOf<Client['kv']>();
  expectTypeOf(namespace.lease).toEqualTypeOf<Client['lease']>();
  void namespace.lease({ ttl: 1 }).pipe(withLease(({ id }) => namespace.kv.put('a', '', { lease: id })));
  void namespace.watch('a').pipe(withLock(namespace.lock('l'), ({ kv }) => [kv.key]));
  // @ts-expect-error the connections are the client's
  void namespace.close;
  // @ts-expect-error users have no keys
  void namespace.auth;
  // @ts-expect-error any RPC could reach beyond
  void namespace.call;
  // @ts-expect-error a prefix is text or bytes
  etcd.namespace(7);
}
