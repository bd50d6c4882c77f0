import * as t from 'io-ts';
import { NEVER, of } from 'rxjs';
import * as operators from '../../../operators/index.js';
import { key } from '../../../src/model/op.js';
import { isText } from './arguments.js';

/** Returns whether a junk value is valid here. */
type Right = (value: unknown) => boolean;

/** An argument or option of an operator: its name, a valid value, and the junk values that are valid, too. */
export type Given = Readonly<Record<string, readonly [value: unknown, right: Right]>>;

/** The arguments of an operator in their order, and the options that follow them. */
export interface Arguments {
  readonly args?: Given;
  readonly options?: Given;
}

const isFunction: Right = (value) => typeof value === 'function';
const isBytes: Right = (value) => isText(value) || value instanceof Uint8Array;
const isFromZero: Right = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
const isWhole: Right = (value) => Number.isSafeInteger(value) && Number(value) >= 1;
const isBoolean: Right = (value) => typeof value === 'boolean';
const isNumber: Right = (value) => typeof value === 'number' && value >= 0;
const isPart: Right = (value) => isNumber(value) && Number(value) <= 1;
const isMs: Right = (value) => isNumber(value) && Number(value) < 2 ** 31;
const isNothing: Right = (value) => value === undefined;
const isOptional =
  (right: Right): Right =>
  (value) =>
    value === undefined || right(value);
const never: Right = () => false;

const FUNCTION = [() => of(1), isFunction] as const;
const MAY_BE_FUNCTION = [() => true, isOptional(isFunction)] as const;
const REVISION = [5, isFromZero] as const;
const MAY_BE_WHOLE = [1, isOptional(isWhole)] as const;
const MAY_BE_BOOLEAN = [true, isOptional(isBoolean)] as const;
const CODEC = [t.string, never] as const;
const KV = [{ txn: () => NEVER, put: () => NEVER }, never] as const;
const ON_COMPLETE = { onComplete: ['release', isNothing] } as const;
const BACKOFF = {
  initialMs: [10, isOptional(isMs)],
  maxMs: [10, isOptional(isMs)],
  jitter: [0, isOptional(isPart)],
  random: MAY_BE_FUNCTION,
  maxRetries: [2, isOptional(isNumber)],
  retryIf: MAY_BE_FUNCTION,
  resetOn: MAY_BE_FUNCTION,
} as const;
const PUT_ALL = {
  concurrency: MAY_BE_WHOLE,
  maxOps: MAY_BE_WHOLE,
  maxBytes: MAY_BE_WHOLE,
  maxWaiting: [1, isOptional((value) => isWhole(value) || value === Infinity)],
} as const;
/** No other junk value is valid. */
export const isIterable: Right = (value) => typeof value === 'object' && value !== null && Symbol.iterator in value;

/** Every operator; one with two forms has a row for each. */
export const OPERATORS: Readonly<Record<string, Arguments>> = {
  afterRevision: { args: { revision: REVISION } },
  byRevision: {},
  changedValues: {},
  commitTxn: { args: { kv: KV, build: MAY_BE_FUNCTION } },
  compareAndSet: { args: { kv: KV } },
  conflateByKey: { args: { project: FUNCTION } },
  decodeJson: { args: { codec: CODEC } },
  decodeWith: { args: { codec: CODEC } },
  deletes: {},
  foldEvents: { options: { seed: [[], (value) => value === undefined || (isIterable(value) && Array.from(value as []).length === 0)] } },
  guardedBy: { args: { guard: [key('a').exists(), never] } },
  matchKey: { args: { matcher: ['a', (value) => typeof value === 'string' || isFunction(value)] } },
  ofType: { args: { type: ['put', never] } },
  parseJsonStream: { options: { maxBytes: MAY_BE_WHOLE } },
  putAll: { args: { kv: KV }, options: PUT_ALL },
  'putAll of an iterable': { args: { kv: KV, entries: [[], isIterable] }, options: PUT_ALL },
  putTo: {
    args: { kv: KV, key: ['k', (value) => isBytes(value) || isFunction(value)] },
    options: { encode: MAY_BE_FUNCTION, lease: ['7', isNothing], prevKv: MAY_BE_BOOLEAN },
  },
  puts: {},
  resumeFromRevision: {
    args: { factory: FUNCTION },
    options: {
      startRevision: [1, isOptional(isFromZero)],
      revisionOf: MAY_BE_FUNCTION,
      wholeRevisions: MAY_BE_BOOLEAN,
      resumeOnComplete: MAY_BE_BOOLEAN,
      ...BACKOFF,
    },
  },
  retryBackoff: { options: BACKOFF },
  takeUntilAborted: { args: { signal: [new AbortController().signal, never] } },
  toAsyncIterable: { options: { bufferSize: MAY_BE_WHOLE, overflow: ['dropOldest', isNothing] } },
  'toAsyncIterable of a source': {
    args: { source: [NEVER, never] },
    options: { bufferSize: MAY_BE_WHOLE, overflow: ['dropOldest', isNothing] },
  },
  tryDecode: { args: { codec: CODEC } },
  untilReleased: {},
  untilRevision: { args: { revision: REVISION }, options: { wholeRevisions: MAY_BE_BOOLEAN } },
  whileLeader: { args: { project: FUNCTION }, options: ON_COMPLETE },
  withLease: { args: { project: FUNCTION }, options: ON_COMPLETE },
  withLock: { args: { lock: [NEVER, isFunction], project: FUNCTION }, options: { strategy: ['merge', isNothing] } },
};

/** Returns the name of the operator of a row. */
export const nameOf = (row: string): string => row.split(' ')[0] ?? '';

/** Calls the operator of a row, with any arguments. */
export function callOperator(row: string, args: readonly unknown[]): unknown {
  const operator: unknown = Reflect.get(operators, nameOf(row));
  if (typeof operator !== 'function') throw new Error(`there is no ${row}`);
  return Reflect.apply(operator, undefined, args);
}
