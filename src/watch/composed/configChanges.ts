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
 * Returns a value in which each part that is equal to that of the value before is the same object as before. The values
 * themselves are not changed. Equal are lists and plain objects with equal parts, maps, sets, bytes, and objects that
 * JSON represents by `toJSON`, such as dates. Other objects can have contents that are not visible, and count as
 * different.
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

/** Returns the content of an object that is neither a list nor plain; undefined if it is not known. */
function contentOf(value: object): unknown {
  if (value instanceof Map || value instanceof Set || value instanceof Uint8Array) return [...value];
  const toJson: unknown = Reflect.get(value, 'toJSON');
  return typeof toJson === 'function' ? Reflect.apply(toJson, value, []) : undefined;
}

/**
 * Returns the differences between two configs, by the innermost places at which they differ. The parts that did not
 * change are the same objects in both.
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

/** Tells whether a value is an object of no class. Those of other realms are, too. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
