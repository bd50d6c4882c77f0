import type { Either } from 'fp-ts/lib/Either.js';
import { concatMap, defer, type Observable } from 'rxjs';
import { InvalidValueError } from '../../errors/index.js';
import {
  checkOptions,
  VALIDATOR,
  invalidArgument,
  isObject,
  required,
  STRING,
  type OptionKind,
  type OptionKinds,
} from '../../model/validate.js';
import type { Validator } from '../../model/standardSchema.js';
import { isLeft, isRight, left } from '../../util/either.js';
import { addDefaults, addLeaf, branch, changesBetween, decodeTree, type ConfigChange } from './configTree.js';
import type { JointUpdate } from './jointRange.js';

/** Options for following a config. */
export interface LiveConfigOptions<A> {
  /** The codec of the whole config. It decides how the value of a key is read: as text, or else as JSON. */
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
  /** The config in force: that of this revision, or the last valid one if it was rejected. */
  readonly config: A;
  /**
   * The differences to the config of the last update, by path: `{ path: 'db/port', before: 5432, after: 5433 }`.
   */
  readonly changes: readonly ConfigChange[];
  /** Set while the config of the store is invalid: `failures` has a line for each reason, with the key. */
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
  // A copy, in which a hole is undefined, as `map` would skip it.
  const layers: readonly unknown[] = Array.isArray(prefix) ? Array.from(prefix) : [prefix];
  if (layers.length === 0) throw invalidArgument(`prefix of ${method}`, 'at least one prefix', prefix);
  return layers.map((layer) => {
    if (typeof layer === 'string' && layer !== '') return layer;
    throw invalidArgument(`prefix of ${method}`, FILLED.what, layer);
  });
}

/** Returns what reads the config of an update. */
function configReader<A>(layers: readonly string[], { codec, separator = '/', defaults = {} }: LiveConfigOptions<A>) {
  return (states: JointUpdate['states']): Either<InvalidValueError, A> => {
    const root = branch();
    addDefaults(root, defaults);
    const misplaced: string[] = [];
    for (const [layer, state] of states.entries()) {
      const prefix = layers[layer] ?? '';
      const kvs = [...state.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
      for (const { key, value } of kvs) {
        const path = key.slice(prefix.length).split(separator);
        if (key !== prefix && !addLeaf(root, path, { type: 'leaf', value, key, layer }))
          misplaced.push(`${key}: expected no value above it, and a key above it has one`);
      }
    }
    const keyAt = (path: readonly string[]): string => `${layers.at(-1) ?? ''}${path.join(separator)}`;
    const decoded = misplaced.length > 0 ? left<readonly string[], A>(misplaced) : decodeTree(root, codec, keyAt);
    return isRight(decoded) ? decoded : left(new InvalidValueError(layers.join(', '), decoded.left));
  };
}

/** Emits the config of each update that changes it, or is rejected. */
export function configUpdates<A>(
  layers: readonly string[],
  updates: Observable<JointUpdate>,
  options: LiveConfigOptions<A>,
): Observable<ConfigUpdate<A>> {
  return defer(() => {
    const checked = checkOptions('liveConfig', options, LIVE_CONFIG);
    const { separator = '/', defaults } = checked;
    const read = configReader(layers, checked);
    let last: ConfigUpdate<A> | undefined;
    return updates.pipe(
      concatMap(({ type, revision, states }) => {
        const config = read(states);
        const before = last;
        if (isLeft(config)) {
          const rejected = config.left;
          if (before?.rejected?.message === rejected.message) return [];
          last = { type, revision, config: before === undefined ? alone(defaults, read, rejected) : before.config, changes: [], rejected };
          return [last];
        }
        const changes = before === undefined ? [] : changesBetween(before.config, config.right, separator).sort(byPath);
        if (before !== undefined && before.rejected === undefined && changes.length === 0) return [];
        last = { type, revision, config: config.right, changes, rejected: undefined };
        return [last];
      }),
    );
  });
}

const byPath = (a: ConfigChange, b: ConfigChange): number => (a.path < b.path ? -1 : 1);

/** Returns the config of the defaults alone, which are in force until there is a valid config. */
function alone<A>(
  defaults: object | undefined,
  read: (states: JointUpdate['states']) => Either<InvalidValueError, A>,
  rejected: InvalidValueError,
): A {
  const config = defaults === undefined ? left<InvalidValueError, A>(rejected) : read([]);
  if (isRight(config)) return config.right;
  throw rejected;
}
