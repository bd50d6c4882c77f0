import type { Either } from 'fp-ts/lib/Either.js';
import { concatMap, defer, distinctUntilChanged, map, type Observable } from 'rxjs';
import { EtcdError, InvalidValueError } from '../../errors/index.js';
import { checkOptions, invalidArgument, isObject, required, STRING, type OptionKind, type OptionKinds } from '../../model/validate.js';
import { VALIDATOR, type Validator } from '../../model/validator.js';
import { isLeft, isRight, left } from '../../util/either.js';
import type { Reading } from '../live/live.js';
import type { ViewedUpdate } from '../live/sharedStates.js';
import {
  changesBetween,
  keepUnchanged,
  type ConfigChange,
  addDefaults,
  addLeaf,
  branch,
  decodeTree,
  valueOf,
  type Branch,
} from './configTree.js';
import type { JointUpdate } from './jointRange.js';

/** Options for following a config. */
export interface LiveConfigOptions<A> {
  /**
   * The codec of the whole config. It decides how the value of a key is read: as text, or as JSON if the codec rejects
   * the text.
   */
  readonly codec: Validator<A>;
  /** The separator between the names in a key. The default is `/`. */
  readonly separator?: string;
  /** The values of keys that are missing, as an object in the form of the config. */
  readonly defaults?: object;
}

/** A config as of one revision. */
export interface ConfigUpdate<A> {
  /**
   * - `snapshot`: the config when you subscribed
   * - `change`: one revision
   * - `resync`: the keys were listed again, as the history since the last update was lost (see {@link LiveUpdate})
   */
  readonly type: 'snapshot' | 'change' | 'resync';
  readonly revision: number;
  /**
   * The config in force: the config of this revision, or the last valid one if this one was rejected. If none was valid
   * before, the config consists of the defaults. Objects and lists that did not change are the same objects as in the
   * last update.
   */
  readonly config: A;
  /**
   * The differences from the config of the last update, by path: `{ path: 'db/port', before: 5432, after: 5433 }`.
   */
  readonly changes: readonly ConfigChange[];
  /** The error while the config of the store is invalid; `failures` has a line for each reason, with the key. */
  readonly rejected: InvalidValueError | undefined;
}

const FILLED: OptionKind = { what: 'a string that is not empty', is: (value) => STRING.is(value) && value !== '' };
const LIVE_CONFIG: OptionKinds<LiveConfigOptions<unknown>> = {
  codec: required(VALIDATOR),
  separator: FILLED,
  defaults: { what: 'an object', is: isObject },
};

/** Checks the prefix of a config, or the prefixes of its layers, and returns them in the order of their precedence. */
export function layersOf(method: string, prefix: string | readonly string[]): readonly string[] {
  // The list is copied with `Array.from`, which converts a hole to undefined. `map` would skip a hole.
  const layers: readonly unknown[] = Array.isArray(prefix) ? Array.from(prefix) : [prefix];
  if (layers.length === 0)
    throw new EtcdError('InvalidArgument', `prefix of ${method}: expected at least one prefix, received an empty list`);
  return layers.map((layer) => {
    if (typeof layer === 'string' && layer !== '') return layer;
    throw invalidArgument(`prefix of ${method}`, FILLED.what, layer);
  });
}

/**
 * The config in force after an update. There is none if no config of the store was valid yet and the defaults alone are
 * not valid.
 */
type ConfigReading<A> =
  | {
      readonly inForce: true;
      readonly config: A;
      readonly changes: readonly ConfigChange[];
      readonly rejected: InvalidValueError | undefined;
    }
  | { readonly inForce: false; readonly rejected: InvalidValueError };

/**
 * Returns a function that reads the config of one update after the other. The function returns the same object as
 * before if neither the config nor the reasons for rejecting it have changed. The parts of a config that did not change
 * are the same objects as before.
 */
function configReader<A>(layers: readonly string[], options: LiveConfigOptions<A>): (states: JointUpdate['states']) => ConfigReading<A> {
  const { codec, separator = '/', defaults } = options;
  const decode = (root: Branch): Either<readonly string[], A> =>
    decodeTree(root, codec, (path) => `${layers.at(-1) ?? ''}${path.join(separator)}`);
  /** The last valid config, as it was before decoding. */
  let given: unknown;
  let last: ConfigReading<A> | undefined;

  return (states) => {
    const { root, misplaced } = treeOf(layers, states, separator, defaults);
    const values = valueOf(root);
    const before = last;
    if (before !== undefined && before.rejected === undefined && keepUnchanged(given, values) === given) return before;
    const decoded = misplaced.length > 0 ? left<readonly string[], A>(misplaced) : decode(root);
    if (isLeft(decoded)) {
      const rejected = new InvalidValueError(layers.join(', '), decoded.left);
      if (before?.rejected?.message === rejected.message) return before;
      if (before?.inForce === true) return (last = { ...before, changes: [], rejected });
      return (last = before === undefined ? alone(defaults, decode, rejected) : { inForce: false, rejected });
    }
    given = values;
    if (before?.inForce !== true) return (last = { inForce: true, config: decoded.right, changes: [], rejected: undefined });
    const config = kept(before.config, decoded.right);
    const changes = changesBetween(before.config, config, separator).sort(byPath);
    if (before.rejected === undefined && changes.length === 0) return before;
    return (last = { inForce: true, config, changes, rejected: undefined });
  };
}

const kept = <A>(before: A, after: A): A => keepUnchanged(before, after) as A;
const byPath = (a: ConfigChange, b: ConfigChange): number => (a.path < b.path ? -1 : 1);

/** Returns the tree of all layers and the defaults, and a message for each key that does not fit into the tree. */
function treeOf(layers: readonly string[], states: JointUpdate['states'], separator: string, defaults: object = {}) {
  const root = branch();
  addDefaults(root, defaults);
  const misplaced: string[] = [];
  for (const [layer, state] of states.entries()) {
    const prefix = layers[layer] ?? '';
    const kvs = [...state.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    for (const { key, value } of kvs) {
      const path = key.slice(prefix.length).split(separator);
      if (key !== prefix && !addLeaf(root, path, { type: 'leaf', value, key, layer }))
        misplaced.push(`${key}: expected no value above it, but a key above it has one`);
    }
  }
  return { root, misplaced };
}

/** Decodes the defaults alone. They are in force until there is a valid config. */
function alone<A>(
  defaults: object | undefined,
  decode: (root: Branch) => Either<readonly string[], A>,
  rejected: InvalidValueError,
): ConfigReading<A> {
  const root = branch();
  addDefaults(root, defaults ?? {});
  const config = defaults === undefined ? left<readonly string[], A>([]) : decode(root);
  return isRight(config) ? { inForce: true, config: config.right, changes: [], rejected } : { inForce: false, rejected };
}

/**
 * Emits the config for each update that changes the config or the reasons for rejecting it. Errors with the
 * `InvalidValueError` if no config is in force.
 */
export function configUpdates<A>(
  layers: readonly string[],
  updates: Observable<JointUpdate>,
  options: LiveConfigOptions<A>,
): Observable<ConfigUpdate<A>> {
  return defer(() => {
    const read = configReader(layers, checkOptions('liveConfig', options, LIVE_CONFIG));
    let last: ConfigReading<A> | undefined;
    return updates.pipe(
      concatMap(({ type, revision, states }): ConfigUpdate<A>[] => {
        const reading = read(states);
        if (reading === last) return [];
        last = reading;
        if (!reading.inForce) throw reading.rejected;
        const { config, changes, rejected } = reading;
        return [{ type, revision, config, changes, rejected }];
      }),
    );
  });
}

/** Emits the config as readings of a view, in which an invalid config is a state. */
export function configReadings<A>(
  layers: readonly string[],
  updates: Observable<ViewedUpdate<JointUpdate>>,
  options: LiveConfigOptions<A>,
): Observable<Reading<A>> {
  return defer(() => {
    const read = configReader(layers, checkOptions('liveConfigState', options, LIVE_CONFIG));
    return updates.pipe(
      map(({ update: { states }, ...origin }) => ({ reading: read(states), origin })),
      distinctUntilChanged((a, b) => a.reading === b.reading && a.origin.old === b.origin.old && a.origin.lost === b.origin.lost),
      map(({ reading, origin }): Reading<A> => {
        if (!reading.inForce) return { invalid: reading.rejected, ...origin };
        const { config: value, rejected } = reading;
        return rejected === undefined ? { value, ...origin } : { invalid: rejected, value, ...origin };
      }),
    );
  });
}
