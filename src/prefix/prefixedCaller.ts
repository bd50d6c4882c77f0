import { electionRpcs } from '../codec/election.js';
import { kvRpcs, type RequestOpIn, type ResponseOpOut, type TxnRequestIn, type TxnResponseOut } from '../codec/kv.js';
import { leaseRpcs } from '../codec/lease.js';
import { lockRpcs } from '../codec/lock.js';
import type { AnswerOf, RequestOf, Rpc } from '../codec/rpc.js';
import type { BytesLike } from '../model/bytes.js';
import type { Prefix } from './prefix.js';
import { defer, map, type Observable } from 'rxjs';
import { understood } from '../codec/message.js';
import { EtcdError } from '../errors/index.js';
import { tooDeep } from '../model/validate.js';
import type { Caller } from '../transport/call.js';

/** Creates a caller that adds a prefix to all keys of requests, and removes it from responses. */
export function callerWithin(caller: Caller, prefix: Prefix): Caller {
  const ruleOf = rulesOf(prefix);

  const within = <In, A>(rpc: Rpc<In, A>, request: In, call: (request: In) => Observable<A>): Observable<A> =>
    defer(() => {
      const rule = ruleOf(rpc);
      if (rule === undefined) throw new EtcdError('InvalidArgument', 'this is not for a namespace', { rpc: rpc.name });
      return call(whole(rpc, request, rule)).pipe(map((answer) => understood(rpc, () => rule.answer(answer))));
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

/** Converts the request of an RPC when it leaves a namespace, and its response when it enters. */
export interface Rule<In, A> {
  readonly request: (request: In) => In;
  readonly answer: (answer: A) => A;
}

type LeaderIn = RequestOf<typeof electionRpcs.resign>['leader'];
type LeaderOut = AnswerOf<typeof electionRpcs.campaign>['leader'];

const asItIs = <T>(value: T): T => value;

/**
 * Creates the rules of a namespace, one for each RPC. An RPC without a rule is not allowed, as it could reach keys
 * outside of the namespace.
 */
export function rulesOf(prefix: Prefix): <In, A>(rpc: Rpc<In, A>) => Rule<In, A> | undefined {
  const rules = new Map<object, unknown>();
  const add = <In, A>(rpc: Rpc<In, A>, request: Rule<In, A>['request'] = asItIs, answer: Rule<In, A>['answer'] = asItIs): void =>
    void rules.set(rpc, { request, answer });

  const { around, inside } = prefix;
  // A name is no key, but all keys of a lock or an election begin with it.
  const named = <R extends { readonly name?: BytesLike | undefined }>(request: R): R => ({
    ...request,
    // If it is missing, the codec rejects the request.
    name: request.name === undefined ? undefined : prefix.before(request.name),
  });
  const led = <R extends { readonly leader?: LeaderIn }>(request: R): R => ({
    ...request,
    leader: request.leader && around(named(request.leader)),
  });
  const leader = (given: LeaderOut): LeaderOut => ({ ...given, name: prefix.after(given.name), key: prefix.after(given.key) });

  for (const rpc of [kvRpcs.range, kvRpcs.longRange]) add(rpc, around, (answer) => ({ ...answer, kvs: answer.kvs.map(inside) }));
  add(kvRpcs.get, around, (kv) => kv && inside(kv));
  add(kvRpcs.put, around, (answer) => ({ ...answer, prevKv: answer.prevKv && inside(answer.prevKv) }));
  add(kvRpcs.deleteRange, around, (answer) => ({ ...answer, prevKvs: answer.prevKvs.map(inside) }));
  for (const rpc of [kvRpcs.txn, kvRpcs.readTxn, kvRpcs.gets]) add(rpc, txnRequest, txnAnswer);

  add(leaseRpcs.timeToLive, asItIs, (answer) => ({
    ...answer,
    // The lease may also have keys outside of the namespace.
    keys: answer.keys.filter((key) => prefix.begins(key)).map((key) => prefix.after(key)),
  }));
  // These concern the whole store: leases have ids rather than keys, and all namespaces share one history.
  for (const rpc of [leaseRpcs.grant, leaseRpcs.revoke, leaseRpcs.keepAlive, leaseRpcs.leases, kvRpcs.compact] as const)
    rules.set(rpc, { request: asItIs, answer: asItIs });

  add(lockRpcs.lock, named, (answer) => ({ ...answer, key: prefix.after(answer.key) }));
  add(lockRpcs.unlock, around);
  add(electionRpcs.campaign, named, (answer) => ({ ...answer, leader: leader(answer.leader) }));
  add(electionRpcs.proclaim, led);
  add(electionRpcs.resign, led);
  for (const rpc of [electionRpcs.leader, electionRpcs.observe])
    add(rpc, named, (answer) => ({ ...answer, kv: answer.kv && inside(answer.kv) }));

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

  function txnAnswer(answer: TxnResponseOut): TxnResponseOut {
    return { ...answer, responses: answer.responses.map(responseOp) };
  }

  function responseOp({ responseRange, responsePut, responseDeleteRange, responseTxn }: ResponseOpOut): ResponseOpOut {
    return {
      responseRange: responseRange && { ...responseRange, kvs: responseRange.kvs.map(inside) },
      responsePut: responsePut && { ...responsePut, prevKv: responsePut.prevKv && inside(responsePut.prevKv) },
      responseDeleteRange: responseDeleteRange && { ...responseDeleteRange, prevKvs: responseDeleteRange.prevKvs.map(inside) },
      responseTxn: responseTxn && txnAnswer(responseTxn),
    };
  }

  // `add` has stored each rule under the RPC whose types it has.
  return <In, A>(rpc: Rpc<In, A>) => rules.get(rpc) as Rule<In, A> | undefined;
}
