import { electionRpcs } from '../codec/election.js';
import { kvRpcs, type RequestOpIn, type ResponseOpOut, type TxnRequestIn, type TxnResponseOut } from '../codec/kv.js';
import { leaseRpcs } from '../codec/lease.js';
import { lockRpcs } from '../codec/lock.js';
import type { AnswerOf, RequestOf, Rpc } from '../codec/rpc.js';
import type { BytesLike } from '../model/bytes.js';
import type { Prefix } from './prefix.js';

/** What becomes of an RPC's request on its way out of a namespace, and of its answer on its way in. */
export interface Rule<In, A> {
  readonly request: (request: In) => In;
  readonly answer: (answer: A) => A;
}

type LeaderIn = RequestOf<typeof electionRpcs.resign>['leader'];
type LeaderOut = AnswerOf<typeof electionRpcs.campaign>['leader'];

const asItIs = <T>(value: T): T => value;

/** The rules of a namespace, an RPC each. One without a rule is not for a namespace: passed on as it is, it might reach beyond. */
export function rulesOf(prefix: Prefix): <In, A>(rpc: Rpc<In, A>) => Rule<In, A> | undefined {
  const rules = new Map<object, unknown>();
  const add = <In, A>(rpc: Rpc<In, A>, request: Rule<In, A>['request'] = asItIs, answer: Rule<In, A>['answer'] = asItIs): void =>
    void rules.set(rpc, { request, answer });

  const { around, inside } = prefix;
  // A name has no key of its own, but all keys of a lock or an election begin with it.
  const named = <R extends { readonly name?: BytesLike | undefined }>(request: R): R => ({
    ...request,
    // Where it is not given, the codec refuses it.
    name: request.name === undefined ? undefined : prefix.before(request.name),
  });
  const led = <R extends { readonly leader?: LeaderIn }>(request: R): R => ({
    ...request,
    leader: request.leader && around(named(request.leader)),
  });
  const leader = (given: LeaderOut): LeaderOut => ({ ...given, name: prefix.after(given.name), key: prefix.after(given.key) });

  add(kvRpcs.range, around, (answer) => ({ ...answer, kvs: answer.kvs.map(inside) }));
  add(kvRpcs.get, around, (kv) => kv && inside(kv));
  add(kvRpcs.put, around, (answer) => ({ ...answer, prevKv: answer.prevKv && inside(answer.prevKv) }));
  add(kvRpcs.deleteRange, around, (answer) => ({ ...answer, prevKvs: answer.prevKvs.map(inside) }));
  for (const rpc of [kvRpcs.txn, kvRpcs.readTxn, kvRpcs.gets]) add(rpc, txnRequest, txnAnswer);

  add(leaseRpcs.timeToLive, asItIs, (answer) => ({
    ...answer,
    // A lease may hold keys of others, too.
    keys: answer.keys.filter((key) => prefix.begins(key)).map((key) => prefix.after(key)),
  }));
  // These are of the whole cluster: leases have ids, not keys, and there is one history for all.
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

  // Filed by `add` under the RPC whose types they have.
  return <In, A>(rpc: Rpc<In, A>) => rules.get(rpc) as Rule<In, A> | undefined;
}
