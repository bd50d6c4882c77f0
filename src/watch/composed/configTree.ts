import type { Either } from 'fp-ts/lib/Either.js';
import type { Errors } from 'io-ts';
import { isSchema, placedBySchema, type PlacedFailure, type Validator } from '../../model/standardSchema.js';
import { isObject, typeName } from '../../model/validate.js';
import { isRight, left } from '../../util/either.js';

/** A value that a config was given, with the key that it has in etcd; a default has none. */
export interface Leaf {
  readonly type: 'leaf';
  /** Text of a key, until the codec wants something else. */
  value: unknown;
  readonly key: string | undefined;
  readonly layer: number;
}

/** The part of a config below a name. */
export interface Branch {
  readonly type: 'branch';
  readonly children: Map<string, Leaf | Branch>;
  /** The codec wants a list of the children, which are numbered. */
  isList: boolean;
}

type Node = Leaf | Branch;

export const branch = (): Branch => ({ type: 'branch', children: new Map(), isList: false });

/** Sets a default, and those below it if it is a plain object. */
export function addDefaults(into: Branch, defaults: object): void {
  for (const [name, value] of Object.entries(defaults)) {
    const given: unknown = value;
    const below = isObject(given) ? branch() : undefined;
    into.children.set(name, below ?? { type: 'leaf', value: given, key: undefined, layer: -1 });
    if (below !== undefined && isObject(given)) addDefaults(below, given);
  }
}

/**
 * Adds the key of a layer to a tree. It replaces what lower layers have at its path, above it or below it. The keys of
 * a layer are added in their order.
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

/** Returns the plain value of a tree. */
export function valueOf(node: Node): unknown {
  if (node.type === 'leaf') return node.value;
  const entries = [...node.children].map(([name, child]): [string, unknown] => [name, valueOf(child)]);
  if (node.isList) return entries.sort(([a], [b]) => Number(a) - Number(b)).map(([, value]) => value);
  return Object.fromEntries(entries);
}

/**
 * Decodes a tree. All its values are text at first, and lists are numbered names. A value that the codec refuses as
 * text is read as JSON. An object of numbered names that it refuses is made a list.
 *
 * @param keyAt names the key at a path
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

/** Decodes a value, or returns the reasons for rejecting it, each with its place. */
function placed<A>(codec: Validator<A>, value: unknown): Either<readonly PlacedFailure[], A> {
  if (isSchema(codec)) return placedBySchema(codec, value, typeName);
  const decoded = codec.decode(value);
  return isRight(decoded) ? decoded : left(failuresOf(decoded.left));
}

/** Returns the node at a path that may be read in another way. */
function adaptableAt(root: Branch, path: readonly string[]): Node | undefined {
  const node = nodeAt(root, path);
  if (node?.type === 'branch') return !node.isList && isNumbered(node) ? node : undefined;
  return node?.key !== undefined && typeof node.value === 'string' && jsonIn(node.value) !== undefined ? node : undefined;
}

function adapt(node: Node): void {
  if (node.type === 'branch') node.isList = true;
  else if (typeof node.value === 'string') node.value = jsonIn(node.value);
}

/** Returns what JSON means by a text, unless that is text, or nothing. */
function jsonIn(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? undefined : value;
  } catch {
    return undefined;
  }
}

const isNumbered = ({ children }: Branch): boolean => children.size > 0 && [...children.keys()].every((name) => /^\d+$/.test(name));

/** Returns the node at a path, or the leaf above it. */
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

/** The codecs whose members have a number in the path of a failure, which is no name of the value. */
const COMPOSED: readonly unknown[] = ['IntersectionType', 'UnionType'];

/** Returns where a codec of io-ts found what invalid. Of an invalid value only the type is shown. */
function failuresOf(errors: Errors): readonly PlacedFailure[] {
  return errors.map(({ context, value, message }) => {
    const path = context.filter((_, at) => at > 0 && !COMPOSED.includes(Reflect.get(context[at - 1]?.type ?? {}, '_tag')));
    const problem = message ?? `expected ${context.at(-1)?.type.name ?? 'another type'}, received ${typeName(value)}`;
    return { path: path.map(({ key }) => key), problem };
  });
}
