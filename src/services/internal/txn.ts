import type { RequestOpIn, ResponseOpOut, TxnRequestIn, TxnResponseOut } from '../../codec/kv.js';
import { EtcdError } from '../../errors/index.js';
import { capturedBytes } from '../../model/bytes.js';
import { captured } from '../../model/captured.js';
import { ARRAY, checkOptions, invalidArgument, isObject, type OptionKinds, tooDeep } from '../../model/validate.js';
import {
  type Compare,
  DELETE_OPTIONS,
  isReadOnly,
  NO_OPTIONS,
  type Op,
  PUT_OPTIONS,
  RANGE_OPTIONS,
  READ_OPTIONS,
  type TxnResult,
  type TxnOp,
  type TxnSpec,
} from '../../model/op.js';
import { toKeyRange, toSingleKey, type KeyRange, type Range } from '../../model/range.js';
import type { ResponseHeader } from '../../model/responses.js';

/** The types of a txn's operations, in their order. Reading a response needs only these types. */
interface Form {
  readonly success: readonly OpForm[];
  readonly failure: readonly OpForm[];
}

interface OpForm {
  readonly op: Op['op'];
  /** The operations of a nested txn. */
  readonly form?: Form;
}

/** A txn that is ready to be sent. It contains no object of the caller. */
interface CompiledTxn<S extends readonly Op[], F extends readonly Op[]> {
  readonly request: TxnRequestIn;
  /** Whether the txn only reads. */
  readonly readOnly: boolean;
  /**
   * Converts etcd's response to the results of the branch that ran.
   *
   * @throws EtcdError `MalformedResponse`
   */
  readonly resultOf: (response: TxnResponseOut) => TxnResult<S, F>;
}

/**
 * Checks a txn and converts it to a request.
 *
 * @throws EtcdError `InvalidArgument`
 */
export function compileTxn<S extends readonly Op[], F extends readonly Op[]>(spec: TxnSpec<S, F>): CompiledTxn<S, F> {
  try {
    const request = toTxnRequest(spec);
    const form = formOf(spec);
    return { request, readOnly: isReadOnly(spec), resultOf: (response) => resultOf(form, response, response.header) };
  } catch (error) {
    throw new EtcdError('InvalidArgument', `a txn cannot be sent: ${tooDeep(error)}`, { rpc: 'KV.Txn' });
  }
}

function formOf({ success = [], failure = [] }: TxnSpec): Form {
  return { success: success.map(opFormOf), failure: failure.map(opFormOf) };
}

const opFormOf = (op: Op): OpForm => (op.op === 'txn' ? { op: 'txn', form: formOf(op) } : FORMS[op.op]);

/** The forms of operations. All operations of a type share one object, as a txn may have thousands of operations. */
const FORMS = { put: { op: 'put' }, get: { op: 'get' }, range: { op: 'range' }, delete: { op: 'delete' } } as const;

/** Converts a txn to etcd's request, with copies of all bytes. */
function toTxnRequest(spec: TxnSpec | TxnOp): TxnRequestIn {
  const { compare = [], success = [], failure = [] } = checkOptions('txn', withoutMark(spec), TXN);
  return {
    compare: listed('compare', compare, toCompare),
    success: listed('success', success, toRequestOp),
    failure: listed('failure', failure, toRequestOp),
  };
}

/** Returns a txn without the property `op`, which the function `txn` adds. */
function withoutMark(spec: TxnSpec | TxnOp): TxnSpec {
  if (!isObject(spec) || Reflect.get(spec, 'op') !== 'txn') return spec;
  const { op: _, ...unmarked } = spec as TxnOp;
  return unmarked;
}

/** Converts the items of a list. If an item is invalid, the error names its index. */
function listed<T, R>(list: string, items: readonly T[], toField: (item: T) => R | undefined): R[] {
  // The loop uses indexes, as `map` would skip holes.
  const fields = new Array<R>(items.length);
  for (let index = 0; index < items.length; index++) {
    const given: unknown = items[index];
    const field = typeof given === 'object' && given !== null ? toField(items[index] as T) : undefined;
    if (field !== undefined) {
      fields[index] = field;
      continue;
    }
    const what = list === 'compare' ? 'a condition made with key(…)' : 'an operation made with put, get, range, del or txn';
    throw invalidArgument(`${list}[${index}] of a txn`, what, given);
  }
  return fields;
}

const TXN: OptionKinds<TxnSpec> = { compare: ARRAY, success: ARRAY, failure: ARRAY };

/** Converts a compare; returns undefined if the value is not a compare. */
function toCompare(condition: Compare): NonNullable<TxnRequestIn['compare']>[number] | undefined {
  const { result, value } = condition;
  const given: unknown = value;
  // If the value is missing, etcd would compare with 0.
  if (given === undefined) throw invalidArgument(`condition on ${condition.target}`, 'a value to compare it with', given);
  const base = { ...ownRange(condition.range), result, target: condition.target };
  switch (condition.target) {
    case 'VERSION':
      return { ...base, version: condition.value };
    case 'CREATE':
      return { ...base, createRevision: condition.value };
    case 'MOD':
      return { ...base, modRevision: condition.value };
    case 'VALUE':
      return { ...base, value: capturedBytes(condition.value) };
    case 'LEASE':
      return { ...base, lease: condition.value };
  }
}

/** Converts an operation; returns undefined if the value is not an operation. */
function toRequestOp(op: Op): RequestOpIn | undefined {
  switch (op.op) {
    case 'put': {
      const key = capturedBytes(op.key);
      const value = capturedBytes(op.value);
      if (op.options === NO_OPTIONS) return { requestPut: { key, value } };
      return { requestPut: { key, value, ...checkOptions('put', op.options, PUT_OPTIONS) } };
    }
    case 'get': {
      const requestRange = toSingleKey(capturedBytes(op.key));
      if (op.options === NO_OPTIONS) return { requestRange };
      return { requestRange: { ...requestRange, ...checkOptions('get', op.options, READ_OPTIONS) } };
    }
    case 'range':
      return { requestRange: { ...ownRange(op.range), ...checkOptions('range', op.options, RANGE_OPTIONS) } };
    case 'delete':
      return { requestDeleteRange: { ...ownRange(op.range), ...checkOptions('del', op.options, DELETE_OPTIONS) } };
    case 'txn':
      return { requestTxn: toTxnRequest(op) };
  }
}

const ownRange = (range: Range): KeyRange => toKeyRange(captured(range));

/**
 * Returns the results of a txn.
 *
 * @param header the header of the outer txn, as etcd sends an empty header for a nested txn
 */
function resultOf<S extends readonly Op[], F extends readonly Op[]>(
  form: Form,
  response: TxnResponseOut,
  header: ResponseHeader,
): TxnResult<S, F> {
  const ops = response.succeeded ? form.success : form.failure;
  if (ops.length !== response.responses.length) {
    throw new EtcdError('MalformedResponse', `txn: expected ${ops.length} results, received ${response.responses.length}`, {
      rpc: 'KV.Txn',
    });
  }
  const responses = response.responses.map((each, index) => toResult(ops[index] as OpForm, each, header));
  // `succeeded` decides the branch, and with it the types of the results. TypeScript cannot derive this.
  return { header, succeeded: response.succeeded, responses } as TxnResult<S, F>;
}

function toResult(op: OpForm, response: ResponseOpOut, header: ResponseHeader): unknown {
  const result = responseTo(op, response, header);
  if (result === undefined)
    throw new EtcdError('MalformedResponse', `txn: expected the result of a ${op.op}, received another result`, { rpc: 'KV.Txn' });
  return op.op === 'get' ? response.responseRange?.kvs[0] : result;
}

function responseTo(op: OpForm, response: ResponseOpOut, header: ResponseHeader): unknown {
  switch (op.op) {
    case 'put':
      return response.responsePut;
    case 'get':
    case 'range':
      return response.responseRange;
    case 'delete':
      return response.responseDeleteRange;
    case 'txn':
      return op.form && response.responseTxn && resultOf(op.form, response.responseTxn, header);
  }
}
