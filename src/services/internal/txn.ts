import type { RequestOpIn, ResponseOpOut, TxnRequestIn, TxnResponseOut } from '../../codec/kv.js';
import { EtcdError } from '../../errors/index.js';
import { ARRAY, checkOptions, type OptionKinds } from '../../model/validate.js';
import type { Compare } from '../../model/compare.js';
import { NO_OPTIONS, type Op, type TxnResult, type TxnSpec } from '../../model/op.js';
import { typeName } from '../../model/failures.js';
import { DELETE_OPTIONS, PUT_OPTIONS, RANGE_OPTIONS, READ_OPTIONS } from '../../model/opOptions.js';
import { toKeyRange } from '../../model/range.js';

/** A txn as etcd's request. */
export function toTxnRequest(spec: TxnSpec): TxnRequestIn {
  const { compare = [], success = [], failure = [] } = checkOptions('txn', spec, TXN);
  return {
    compare: listed('compare', compare, toCompare),
    success: listed('success', success, toRequestOp),
    failure: listed('failure', failure, toRequestOp),
  };
}

/** What is none names its place. */
function listed<T, R>(list: string, items: readonly T[], toField: (item: T) => R | undefined): R[] {
  // By index: `map` would skip holes.
  const fields = new Array<R>(items.length);
  for (let index = 0; index < items.length; index++) {
    const given: unknown = items[index];
    const field = typeof given === 'object' && given !== null ? toField(items[index] as T) : undefined;
    if (field !== undefined) {
      fields[index] = field;
      continue;
    }
    const what = list === 'compare' ? 'a condition that key(…) makes' : 'an operation that put, get, range, del or txn makes';
    throw new EtcdError('InvalidArgument', `${list}[${index}] of a txn is ${what}, not ${typeName(given)}`);
  }
  return fields;
}

const TXN: OptionKinds<TxnSpec> = { compare: ARRAY, success: ARRAY, failure: ARRAY };

/** Undefined where it is none. */
function toCompare(condition: Compare): NonNullable<TxnRequestIn['compare']>[number] | undefined {
  const { result, value } = condition;
  const given: unknown = value;
  // Left out, it would be compared with 0.
  if (given === undefined) throw new EtcdError('InvalidArgument', `a condition on ${condition.target} has nothing to compare it with`);
  const base = { ...toKeyRange(condition.range), result, target: condition.target };
  switch (condition.target) {
    case 'VERSION':
      return { ...base, version: condition.value };
    case 'CREATE':
      return { ...base, createRevision: condition.value };
    case 'MOD':
      return { ...base, modRevision: condition.value };
    case 'VALUE':
      return { ...base, value: condition.value };
    case 'LEASE':
      return { ...base, lease: condition.value };
  }
}

/** Undefined where it is none. */
function toRequestOp(op: Op): RequestOpIn | undefined {
  switch (op.op) {
    case 'put':
      if (op.options === NO_OPTIONS) return { requestPut: { key: op.key, value: op.value } };
      return { requestPut: { key: op.key, value: op.value, ...checkOptions('put', op.options, PUT_OPTIONS) } };
    case 'get':
      return { requestRange: { ...toKeyRange({ key: op.key }), ...checkOptions('get', op.options, READ_OPTIONS) } };
    case 'range':
      return { requestRange: { ...toKeyRange(op.range), ...checkOptions('range', op.options, RANGE_OPTIONS) } };
    case 'delete':
      return { requestDeleteRange: { ...toKeyRange(op.range), ...checkOptions('del', op.options, DELETE_OPTIONS) } };
    case 'txn': {
      const { op: _, ...spec } = op;
      return { requestTxn: toTxnRequest(spec) };
    }
  }
}

/** etcd's answer with the results in the shape of the branch that ran. */
export function toTxnResult<S extends readonly Op[], F extends readonly Op[]>(
  spec: TxnSpec<S, F>,
  answer: TxnResponseOut,
): TxnResult<S, F> {
  const ops: readonly Op[] = (answer.succeeded ? spec.success : spec.failure) ?? [];
  if (ops.length !== answer.responses.length) {
    throw new EtcdError('MalformedResponse', `a txn of ${ops.length} operations was answered with ${answer.responses.length} results`, {
      rpc: 'KV.Txn',
    });
  }
  const responses = answer.responses.map((response, index) => toResult(ops[index] as Op, response));
  // The branch that `succeeded` names decides the types of the results: the one thing here that the type checker cannot follow.
  return { header: answer.header, succeeded: answer.succeeded, responses } as TxnResult<S, F>;
}

function toResult(op: Op, response: ResponseOpOut): unknown {
  const result = resultOf(op, response);
  if (result === undefined)
    throw new EtcdError('MalformedResponse', `the ${op.op} of a txn was answered with something else`, { rpc: 'KV.Txn' });
  return op.op === 'get' ? response.responseRange?.kvs[0] : result;
}

function resultOf(op: Op, response: ResponseOpOut): unknown {
  switch (op.op) {
    case 'put':
      return response.responsePut;
    case 'get':
    case 'range':
      return response.responseRange;
    case 'delete':
      return response.responseDeleteRange;
    case 'txn':
      return response.responseTxn && toTxnResult(op, response.responseTxn);
  }
}
