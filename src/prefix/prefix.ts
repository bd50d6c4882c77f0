import type { WatchMessage, WatchStream } from '../watch/messages.js';
import { EtcdError } from '../errors/index.js';
import { isBytesLike, toBytes, type BytesLike } from '../model/bytes.js';
import { BYTES, invalidArgument, tooDeep } from '../model/validate.js';
import type { KeyValue } from '../model/keyValue.js';
import { prefixEnd } from '../model/range.js';
import type { WatchEvent } from '../model/events.js';
import { electionRpcs, lockRpcs } from '../codec/concurrency.js';
import { kvRpcs, type RequestOpIn, type ResponseOpOut, type TxnRequestIn, type TxnResponseOut } from '../codec/kv.js';
import { leaseRpcs } from '../codec/lease.js';
import type { ResponseOf, RequestOf, Rpc } from '../codec/descriptors.js';
import { defer, map, type Observable } from 'rxjs';
import { understood } from '../codec/message.js';
import type { Caller } from '../transport/call.js';

const TO_THE_END = '\0';

/** The keys of a request. */
interface Keys {
  readonly key?: BytesLike | undefined;
  readonly rangeEnd?: BytesLike | undefined;
}

/**
 * The prefix of a namespace's keys. It is added to the keys of requests, and removed from the keys of responses. The
 * prefix is stored as bytes, because a key need not be text.
 */
export class Prefix {
  private readonly bytes: Uint8Array;
  private readonly end: BytesLike;

  /**
   * Creates a prefix.
   *
   * @throws EtcdError `InvalidArgument` if the prefix is not a valid key, or if it is empty, because the namespace
   * would then be the whole store
   */
  constructor(prefix: BytesLike) {
    if (!isBytesLike(prefix) || prefix.length === 0)
      throw invalidArgument('prefix of a namespace', `${BYTES.what} that is not empty`, isBytesLike(prefix) ? '' : prefix);
    // The bytes are copied, because the caller may change them. The `slice` of a `Buffer` would share its memory.
    this.bytes = new Uint8Array(toBytes(prefix));
    this.end = prefixEnd(this.bytes);
  }

  /**
   * Adds the prefix to a key, or to a name that is a prefix of keys. An invalid value is returned unchanged: the
   * codec rejects it later, with an error that names the field.
   */
  before(key: BytesLike): BytesLike {
    if (!isBytesLike(key)) return key;
    const bytes = toBytes(key);
    const whole = new Uint8Array(this.bytes.length + bytes.length);
    whole.set(this.bytes);
    whole.set(bytes, this.bytes.length);
    return whole;
  }

  /** Adds the prefix to the range of a request. If the range has no end, its end becomes the end of the namespace. */
  readonly around = <R extends Keys>(request: R): R => {
    const { key, rangeEnd } = request;
    if (isBytesLike(key) && key.length === 0) {
      // The server would send this error for an empty key. With the prefix, the server would no longer see that the key
      // is empty.
      throw new EtcdError('EmptyKey', 'etcdserver: key is not provided');
    }
    const whole = { ...request, key: key === undefined ? key : this.before(key) };
    return !isBytesLike(rangeEnd) || rangeEnd.length === 0
      ? whole
      : { ...whole, rangeEnd: isToTheEnd(rangeEnd) ? this.end : this.before(rangeEnd) };
  };

  /** Returns whether a key is in the namespace. */
  begins(key: Uint8Array): boolean {
    return this.bytes.every((byte, index) => key[index] === byte);
  }

  after(key: Uint8Array): Uint8Array {
    return key.slice(this.bytes.length);
  }

  /** Removes the prefix from the key of a key-value. */
  readonly inside = (kv: KeyValue): KeyValue => kv.withoutPrefix(this.bytes.length);

  /** Removes the prefix from the keys of an event. */
  readonly insideEvent = (event: WatchEvent): WatchEvent => {
    const { kv, prevKv } = event;
    return { ...event, kv: this.inside(kv), ...(prevKv === undefined ? {} : { prevKv: this.inside(prevKv) }) };
  };
}

function isToTheEnd(rangeEnd: BytesLike): boolean {
  return rangeEnd.length === 1 && (rangeEnd === TO_THE_END || rangeEnd[0] === 0);
}

/** Wraps a shared stream for the watches of a namespace, so that all namespaces use one connection. */
export function prefixWatchStream(stream: WatchStream, prefix: Prefix): WatchStream {
  const inside = (report: WatchMessage): WatchMessage =>
    report.type === 'created' ? report : { ...report, events: report.events.map(prefix.insideEvent) };
  return {
    watch: (target, startRevision, fragment) => ({
      subscribe: (observer) =>
        stream.watch(prefix.around(target), startRevision, fragment).subscribe({
          next: (report) => observer.next(inside(report)),
          error: (error) => observer.error(error),
          complete: () => observer.complete(),
        }),
    }),
    requestProgress: () => stream.requestProgress(),
  };
}

/** Creates a caller that adds a prefix to all keys of requests, and removes it from responses. */
export function prefixCaller(caller: Caller, prefix: Prefix): Caller {
  const ruleOf = rulesOf(prefix);

  const within = <In, A>(rpc: Rpc<In, A>, request: In, call: (request: In) => Observable<A>): Observable<A> =>
    defer(() => {
      const rule = ruleOf(rpc);
      if (rule === undefined) throw new EtcdError('InvalidArgument', 'not available in a namespace', { rpc: rpc.name });
      return call(whole(rpc, request, rule)).pipe(map((response) => understood(rpc, () => rule.response(response))));
    });

  return {
    unary: (rpc, request, options, onSent) => within(rpc, request, (whole) => caller.unary(rpc, whole, options, onSent)),
    stream: (rpc, request, options) => within(rpc, request, (whole) => caller.stream(rpc, whole, options)),
    channel: (rpc) => caller.channel(rpc),
    get: (path, options) => caller.get(path, options),
  };
}

function whole<In>({ name }: Rpc<In, unknown>, request: In, rule: Pick<Rule<In, unknown>, 'request'>): In {
  try {
    return rule.request(request);
  } catch (error) {
    throw new EtcdError('InvalidArgument', `the request cannot be sent: ${tooDeep(error)}`, { rpc: name });
  }
}

/**
 * The conversion of an RPC for a namespace: of the request before it is sent, and of the response after it has arrived.
 */
export interface Rule<In, A> {
  readonly request: (request: In) => In;
  readonly response: (response: A) => A;
}

type LeaderIn = RequestOf<typeof electionRpcs.resign>['leader'];
type LeaderOut = ResponseOf<typeof electionRpcs.campaign>['leader'];

const asItIs = <T>(value: T): T => value;

/**
 * Creates the rules of a namespace, one for each RPC. An RPC without a rule is not allowed, because it could use keys
 * outside of the namespace.
 */
export function rulesOf(prefix: Prefix): <In, A>(rpc: Rpc<In, A>) => Rule<In, A> | undefined {
  const rules = new Map<object, unknown>();
  const add = <In, A>(rpc: Rpc<In, A>, request: Rule<In, A>['request'] = asItIs, response: Rule<In, A>['response'] = asItIs): void =>
    void rules.set(rpc, { request, response } satisfies Rule<In, A>);

  const { around, inside } = prefix;
  // A name is not a key, but it is the beginning of all keys of a lock or an election.
  const named = <R extends { readonly name?: BytesLike | undefined }>(request: R): R => ({
    ...request,
    // If the name is missing, the codec rejects the request.
    name: request.name === undefined ? undefined : prefix.before(request.name),
  });
  const led = <R extends { readonly leader?: LeaderIn }>(request: R): R => ({
    ...request,
    leader: request.leader && around(named(request.leader)),
  });
  const leader = (given: LeaderOut): LeaderOut => ({ ...given, name: prefix.after(given.name), key: prefix.after(given.key) });

  for (const rpc of [kvRpcs.range, kvRpcs.longRange]) add(rpc, around, (response) => ({ ...response, kvs: response.kvs.map(inside) }));
  add(kvRpcs.get, around, (kv) => kv && inside(kv));
  add(kvRpcs.put, around, (response) => ({ ...response, prevKv: response.prevKv && inside(response.prevKv) }));
  add(kvRpcs.deleteRange, around, (response) => ({ ...response, prevKvs: response.prevKvs.map(inside) }));
  for (const rpc of [kvRpcs.txn, kvRpcs.readTxn, kvRpcs.gets]) add(rpc, txnRequest, txnResponse);

  add(leaseRpcs.timeToLive, asItIs, (response) => ({
    ...response,
    // The lease may also have keys outside of the namespace, which are not returned.
    keys: response.keys.filter((key) => prefix.begins(key)).map((key) => prefix.after(key)),
  }));
  // The following RPCs concern the whole store, because requests for leases have no keys, and all namespaces share one
  // history.
  for (const rpc of [leaseRpcs.grant, leaseRpcs.revoke, leaseRpcs.keepAlive, leaseRpcs.leases, kvRpcs.compact] as const)
    rules.set(rpc, { request: asItIs, response: asItIs } satisfies Rule<unknown, unknown>);

  add(lockRpcs.lock, named, (response) => ({ ...response, key: prefix.after(response.key) }));
  add(lockRpcs.unlock, around);
  add(electionRpcs.campaign, named, (response) => ({ ...response, leader: leader(response.leader) }));
  add(electionRpcs.proclaim, led);
  add(electionRpcs.resign, led);
  for (const rpc of [electionRpcs.leader, electionRpcs.observe])
    add(rpc, named, (response) => ({ ...response, kv: response.kv && inside(response.kv) }));

  function txnRequest({ compare, success, failure }: TxnRequestIn): TxnRequestIn {
    return { compare: compare?.map(around), success: success?.map(requestOp), failure: failure?.map(requestOp) };
  }

  function requestOp({ requestRange, requestPut, requestDeleteRange, requestTxn }: RequestOpIn): RequestOpIn {
    return {
      requestRange: requestRange && around(requestRange),
      requestPut: requestPut && around(requestPut),
      requestDeleteRange: requestDeleteRange && around(requestDeleteRange),
      requestTxn: requestTxn && txnRequest(requestTxn),
    };
  }

  function txnResponse(response: TxnResponseOut): TxnResponseOut {
    return { ...response, responses: response.responses.map(responseOp) };
  }

  function responseOp({ responseRange, responsePut, responseDeleteRange, responseTxn }: ResponseOpOut): ResponseOpOut {
    return {
      responseRange: responseRange && { ...responseRange, kvs: responseRange.kvs.map(inside) },
      responsePut: responsePut && { ...responsePut, prevKv: responsePut.prevKv && inside(responsePut.prevKv) },
      responseDeleteRange: responseDeleteRange && { ...responseDeleteRange, prevKvs: responseDeleteRange.prevKvs.map(inside) },
      responseTxn: responseTxn && txnResponse(responseTxn),
    };
  }

  // `add` has stored each rule under the RPC that has the same types.
  return <In, A>(rpc: Rpc<In, A>) => rules.get(rpc) as Rule<In, A> | undefined;
}
