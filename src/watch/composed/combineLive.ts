import { type Validator, VALIDATOR } from '../../model/validator.js';
import { concatMap, defer, map, type Observable } from 'rxjs';
import type { InvalidValueError } from '../../errors/index.js';
import type { BytesLike } from '../../model/bytes.js';
import { isUnchanged, type KeyValue } from '../../model/keyValue.js';
import type { Range } from '../../model/range.js';
import { checkOptions, FUNCTION, invalidArgument, isObject, type OptionKinds } from '../../model/validate.js';
import { isRight } from '../../util/either.js';
import { mapInOrder } from '../../util/rx.js';
import { onlyKey, valueReading, type Reading, type ValueReading } from '../live/live.js';
import type { ViewedUpdate } from '../live/sharedStates.js';
import type { JointUpdate } from './jointRange.js';

/**
 * A part of a combined state, in one of these forms:
 * - `{ key, codec }`: the value of a key, read as JSON and checked; undefined while the key does not exist
 * - `{ key }`: a key with its value; undefined while the key does not exist
 * - `{ prefix }`, `{ from, to }`, `{ from }`, `{ all: true }`: the keys with their values
 */
export type LivePart =
  | { readonly key: BytesLike; readonly codec?: Validator<unknown> }
  | { readonly prefix: BytesLike }
  | { readonly from: BytesLike; readonly to?: BytesLike }
  | { readonly all: true };

/** Parts by name. */
export type LiveParts = Readonly<Record<string, LivePart>>;

/** The value of a part. */
export type PartValue<P extends LivePart> = P extends { readonly key: BytesLike; readonly codec: Validator<infer A> }
  ? A | undefined
  : P extends { readonly key: BytesLike }
    ? KeyValue | undefined
    : ReadonlyMap<string, KeyValue>;

/** The values of all parts, by name. */
export type CombinedValue<P extends LiveParts> = { readonly [Name in keyof P]: PartValue<P[Name]> };

/** A state of several parts as of one revision. */
export interface CombinedUpdate<P extends LiveParts> {
  /**
   * - `snapshot`: the state when you subscribed
   * - `change`: one revision
   * - `resync`: the parts were listed again, as the history since the last update was lost (see {@link LiveUpdate})
   */
  readonly type: 'snapshot' | 'change' | 'resync';
  /** The revision of the store that this state shows. */
  readonly revision: number;
  /** The values of the parts. A part that did not change is the same object as before. */
  readonly value: CombinedValue<P>;
  /** The names of the parts that changed; all of them in a snapshot. */
  readonly changed: readonly (keyof P & string)[];
}

/** Options for combining live values. */
export interface CombineLiveOptions<P extends LiveParts> {
  /**
   * Called with the error of an invalid value and the name of its part. The part keeps its last valid value, or
   * undefined if there was none. Without this function the stream errors with the `InvalidValueError`.
   */
  readonly onInvalid?: (error: InvalidValueError, part: keyof P & string) => void;
}

const COMBINE_LIVE: OptionKinds<CombineLiveOptions<LiveParts>> = { onInvalid: FUNCTION };

/** The range of a part, and how the value of the part is read. */
export interface Followed {
  readonly name: string;
  readonly range: Range;
  readonly codec: Validator<unknown> | undefined;
}

/** Checks the parts, and returns them in their order. */
export function followedParts(method: string, parts: LiveParts): readonly Followed[] {
  const given: unknown = parts;
  if (!isObject(given) || Object.keys(given).length === 0)
    throw invalidArgument(`parts of ${method}`, 'an object with at least one part', given);
  return Object.entries(parts).map(([name, part]) => followedPart(`part ${name} of ${method}`, name, part));
}

function followedPart(subject: string, name: string, part: LivePart): Followed {
  const given: unknown = part;
  if (!isObject(given)) throw invalidArgument(subject, 'a range as an object', given);
  if (!('codec' in part)) return { name, range: part, codec: undefined };
  const { codec, ...range } = part;
  if (!Object.hasOwn(range, 'key') || !VALIDATOR.is(codec))
    throw invalidArgument(subject, '{ key, codec } with an io-ts codec or a Standard Schema, or a range without a codec', codec);
  return { name, range, codec };
}

/** The parts as they were read at a revision. */
interface Combined {
  readonly type: CombinedUpdate<LiveParts>['type'];
  readonly revision: number;
  readonly parts: readonly PartState[];
  readonly changed: readonly string[];
  /** The invalid values that arrived with this revision, by part. */
  readonly refused: readonly (readonly [name: string, error: InvalidValueError])[];
}

/** The latest state and value of a part. */
interface PartState {
  readonly state: ReadonlyMap<string, KeyValue>;
  readonly value: unknown;
  /** The error while the store's value is invalid; `value` is then the last valid value. */
  readonly invalid?: InvalidValueError;
}

/** Reads the values of an update. Parts that did not change keep their values. */
function combine(followed: readonly Followed[], last: Combined | undefined, update: JointUpdate): Combined | Promise<Combined> {
  const read = followed.map((part, index) => readPart(part, last?.parts[index], update.states[index] ?? new Map<string, KeyValue>()));
  // The next update waits until this one is read, as the two are compared.
  if (read.some((part) => 'then' in part))
    return Promise.all(read.map((part) => Promise.resolve(part))).then((parts) => combined(followed, last, update, parts));
  return combined(followed, last, update, read as readonly PartState[]);
}

function combined(
  followed: readonly Followed[],
  last: Combined | undefined,
  { type, revision }: JointUpdate,
  parts: readonly PartState[],
): Combined {
  const changed: string[] = [];
  const refused: [string, InvalidValueError][] = [];
  for (const [index, part] of followed.entries()) {
    const before = last?.parts[index];
    const now = parts[index];
    if (now === undefined) continue;
    if (before === undefined || now.value !== before.value) changed.push(part.name);
    if (now.invalid !== undefined && now.invalid !== before?.invalid) refused.push([part.name, now.invalid]);
  }
  return { type, revision, parts, changed, refused };
}

function readPart(
  { range, codec }: Followed,
  before: PartState | undefined,
  state: ReadonlyMap<string, KeyValue>,
): PartState | PromiseLike<PartState> {
  if (state === before?.state) return before;
  if (typeof range !== 'object' || !('key' in range)) return { state, value: state };
  const kv = onlyKey({ state });
  // A list after a compaction may contain a key-value that was emitted before.
  if (before !== undefined && isUnchanged(onlyKey(before), kv)) return { ...before, state };
  if (codec === undefined) return { state, value: kv };
  const toState = (reading: ValueReading<unknown>): PartState =>
    isRight(reading) ? { state, value: reading.right } : { state, value: before?.value, invalid: reading.left };
  const reading = valueReading(kv, codec);
  return 'then' in reading ? reading.then(toState) : toState(reading);
}

/** Returns the values of the parts by name. */
function valueOf<P extends LiveParts>(followed: readonly Followed[], { parts }: Combined): CombinedValue<P> {
  const value: Record<string, unknown> = {};
  for (const [index, { name }] of followed.entries()) value[name] = parts[index]?.value;
  return value as CombinedValue<P>;
}

/**
 * Emits the values of the parts for each update that changes any of them. The options decide what follows an invalid
 * value.
 */
export function combinedUpdates<P extends LiveParts>(
  followed: readonly Followed[],
  updates: Observable<JointUpdate>,
  options: CombineLiveOptions<P>,
): Observable<CombinedUpdate<P>> {
  return defer(() => {
    const { onInvalid } = checkOptions('combineLive', options, COMBINE_LIVE);
    let last: Combined | undefined;
    return updates.pipe(
      mapInOrder((update) => combine(followed, last, update)),
      concatMap((now, index) => {
        last = now;
        for (const [name, error] of last.refused) {
          if (onInvalid === undefined) throw error;
          onInvalid(error, name);
        }
        const { type, revision, changed } = last;
        return index > 0 && changed.length === 0 ? [] : [{ type, revision, value: valueOf<P>(followed, last), changed }];
      }),
    );
  });
}

/**
 * Emits a reading of the values of the parts for each update. An invalid value causes no error: the reading contains it
 * as `invalid`.
 */
export function combinedReadings<P extends LiveParts>(
  followed: readonly Followed[],
  updates: Observable<ViewedUpdate<JointUpdate>>,
): Observable<Reading<CombinedValue<P>>> {
  return defer(() => {
    let last: Combined | undefined;
    return updates.pipe(
      mapInOrder(({ update, ...origin }) => {
        const now = combine(followed, last, update);
        return 'then' in now ? now.then((settled) => ({ now: settled, origin })) : { now, origin };
      }),
      map(({ now, origin }): Reading<CombinedValue<P>> => {
        last = now;
        const value = valueOf<P>(followed, last);
        const invalid = last.parts.find((part) => part.invalid !== undefined)?.invalid;
        return invalid === undefined ? { value, ...origin } : { invalid, value, ...origin };
      }),
    );
  });
}
