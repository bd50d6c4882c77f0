import type { Either } from 'fp-ts/lib/Either.js';
import type { Errors } from 'io-ts';
import { isSchema, placedBySchema, type PlacedFailure, type Validator } from '../../model/validator.js';
import { isObject, typeName } from '../../model/validate.js';
import { isRight, left } from '../../util/either.js';

/** A value of a config, with its key in etcd. A default value has no key. */
export interface Leaf {
  readonly type: 'leaf';
  /** The text of the key's value, or the JSON value of that text if the codec requires it. */
  value: unknown;
  readonly key: string | undefined;
  readonly layer: number;
}

/** The values of a config below a name. */
export interface Branch {
  readonly type: 'branch';
  readonly children: Map<string, Leaf | Branch>;
  /** Whether the codec requires a list. The names of the children are then numbers. */
  isList: boolean;
}

type Node = Leaf | Branch;

export const branch = (): Branch => ({ type: 'branch', children: new Map(), isList: false });

/** Adds default values to a branch. A plain object is added as a branch with its own values. */
export function addDefaults(into: Branch, defaults: object): void {
  for (const [name, value] of Object.entries(defaults)) {
    const given: unknown = value;
    const below = isObject(given) ? branch() : undefined;
    into.children.set(name, below ?? { type: 'leaf', value: given, key: undefined, layer: -1 });
    if (below !== undefined && isObject(given)) addDefaults(below, given);
  }
}

/**
 * Adds the key of a layer to a tree. The key replaces the values of lower layers at its path, above it and below it.
 * The keys of a layer must be added in their order.
 *
 * @returns false if the layer has a value above the path already
 */
export function addLeaf(root: Branch, path: readonly string[], leaf: Leaf): boolean {
  let at = root;
  for (const name of path.slice(0, -1)) {
    const next = at.children.get(name);
    if (next?.type === 'leaf' && next.layer === leaf.layer) return false;
    const below = next?.type === 'branch' ? next : branch();
    at.children.set(name, below);
    at = below;
  }
  at.children.set(path.at(-1) ?? '', leaf);
  return true;
}

/** Converts a tree to a plain value. */
export function valueOf(node: Node): unknown {
  if (node.type === 'leaf') return node.value;
  const entries = [...node.children].map(([name, child]): [string, unknown] => [name, valueOf(child)]);
  if (node.isList) return entries.sort(([a], [b]) => Number(a) - Number(b)).map(([, value]) => value);
  return Object.fromEntries(entries);
}

/**
 * Decodes a tree. At first all values are text, and lists are objects with numbered names. If the codec rejects a text,
 * the text is read as JSON. If it rejects an object with numbered names, the object is converted to a list.
 *
 * @param keyAt returns the name of the key at a path
 */
export function decodeTree<A>(root: Branch, codec: Validator<A>, keyAt: (path: readonly string[]) => string): Either<readonly string[], A> {
  for (;;) {
    const decoded = placed(codec, valueOf(root));
    if (isRight(decoded)) return decoded;
    const failures = decoded.left;
    const adapted = new Set(failures.map(({ path }) => adaptableAt(root, path)));
    adapted.delete(undefined);
    if (adapted.size === 0) return left(failures.map(({ path, problem }) => `${leafAt(root, path)?.key ?? keyAt(path)}: ${problem}`));
    for (const node of adapted) if (node !== undefined) adapt(node);
  }
}

/** Decodes a value, or returns the reasons for rejecting it, each with its path. */
function placed<A>(codec: Validator<A>, value: unknown): Either<readonly PlacedFailure[], A> {
  if (isSchema(codec)) return placedBySchema(codec, value);
  const decoded = codec.decode(value);
  return isRight(decoded) ? decoded : left(failuresOf(decoded.left));
}

/**
 * Returns the node at a path if it can be converted. A text can be converted to a JSON value, and an object with
 * numbered names to a list.
 */
function adaptableAt(root: Branch, path: readonly string[]): Node | undefined {
  const node = nodeAt(root, path);
  if (node?.type === 'branch') return !node.isList && isNumbered(node) ? node : undefined;
  return node?.key !== undefined && typeof node.value === 'string' && jsonIn(node.value) !== undefined ? node : undefined;
}

function adapt(node: Node): void {
  if (node.type === 'branch') node.isList = true;
  else if (typeof node.value === 'string') node.value = jsonIn(node.value);
}

/** Returns the JSON value of a text; undefined if that value is a string, or if the text is not JSON. */
function jsonIn(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? undefined : value;
  } catch {
    return undefined;
  }
}

const isNumbered = ({ children }: Branch): boolean => children.size > 0 && [...children.keys()].every((name) => /^\d+$/.test(name));

/** Returns the node at a path. If the path ends at a leaf, returns that leaf. */
function nodeAt(root: Branch, path: readonly string[]): Node | undefined {
  let node: Node | undefined = root;
  for (const name of path) {
    if (node?.type !== 'branch') return node;
    const names: string[] = node.isList ? [...node.children.keys()].sort((a, b) => Number(a) - Number(b)) : [];
    node = node.children.get(names[Number(name)] ?? name);
  }
  return node;
}

function leafAt(root: Branch, path: readonly string[]): Leaf | undefined {
  const node = nodeAt(root, path);
  return node?.type === 'leaf' ? node : undefined;
}

/** The types of codecs whose members have a number in the path of a failure. The number is not a name in the value. */
const COMPOSED: readonly unknown[] = ['IntersectionType', 'UnionType'];

/**
 * Lists the invalid values that a codec of io-ts has found, each with its path. The messages show only the type of an
 * invalid value.
 */
function failuresOf(errors: Errors): readonly PlacedFailure[] {
  return errors.map(({ context, value, message }) => {
    const path = context.filter((_, at) => at > 0 && !COMPOSED.includes(Reflect.get(context[at - 1]?.type ?? {}, '_tag')));
    const problem = message ?? `expected ${context.at(-1)?.type.name ?? 'another type'}, received ${typeName(value)}`;
    return { path: path.map(({ key }) => key), problem };
  });
}

/** A difference between two configs. */
export interface ConfigChange {
  /** The place in the config, such as `db/port`, with the separator of the keys. */
  readonly path: string;
  /** The value before; undefined if there was none. */
  readonly before: unknown;
  /** The value after; undefined if there is none. */
  readonly after: unknown;
}

/**
 * Returns a value in which each part that equals the same part of the previous value is the same object. The values
 * themselves are not changed. Lists, plain objects, maps, sets, bytes, and objects with `toJSON`, such as dates, are
 * compared by their contents. Other objects may have contents that cannot be read, so they always count as different.
 */
export function keepUnchanged(before: unknown, after: unknown): unknown {
  if (Object.is(before, after)) return before;
  const [inside, now] = [childrenOf(before), childrenOf(after)];
  if (inside === undefined || now === undefined || Array.isArray(before) !== Array.isArray(after))
    return isSameContent(before, after) ? before : after;
  const kept = [...now].map(([name, value]): [string, unknown] => [name, keepUnchanged(inside.get(name), value)]);
  const isKept = (name: string, value: unknown): boolean => inside.has(name) && Object.is(inside.get(name), value);
  if (inside.size === now.size && kept.every(([name, value]) => isKept(name, value))) return before;
  if (kept.every(([name, value]) => Object.is(now.get(name), value))) return after;
  const copy = Array.isArray(after) ? kept.map(([, value]) => value) : Object.fromEntries(kept);
  return Object.isFrozen(after) ? Object.freeze(copy) : copy;
}

function isSameContent(before: unknown, after: unknown): boolean {
  if (typeof before !== 'object' || typeof after !== 'object' || before === null || after === null) return false;
  if (Object.getPrototypeOf(before) !== Object.getPrototypeOf(after)) return false;
  const [inside, now] = [contentOf(before), contentOf(after)];
  return inside !== undefined && keepUnchanged(inside, now) === inside;
}

/**
 * Returns the content of an object that is neither a list nor a plain object; undefined if the content is not known.
 */
function contentOf(value: object): unknown {
  if (value instanceof Map || value instanceof Set || value instanceof Uint8Array) return [...value];
  const toJson: unknown = Reflect.get(value, 'toJSON');
  return typeof toJson === 'function' ? Reflect.apply(toJson, value, []) : undefined;
}

/**
 * Returns the differences between two configs, each at the innermost place that differs. Parts that did not change must
 * be the same objects in both.
 */
export function changesBetween(before: unknown, after: unknown, separator: string, path: readonly string[] = []): ConfigChange[] {
  if (Object.is(before, after)) return [];
  const [inside, now] = [childrenOf(before), childrenOf(after)];
  if (inside === undefined || now === undefined || Array.isArray(before) !== Array.isArray(after))
    return [{ path: path.join(separator), before, after }];
  const names = new Set([...inside.keys(), ...now.keys()]);
  return [...names].flatMap((name) => changesBetween(inside.get(name), now.get(name), separator, [...path, name]));
}

/** Returns the values inside of a plain object or a list. */
function childrenOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  return Array.isArray(value) || isPlain(value) ? new Map(Object.entries(value)) : undefined;
}

/** Returns whether a value is a plain object, such as an object literal. Plain objects of other realms count, too. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
