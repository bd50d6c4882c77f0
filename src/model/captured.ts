import { isBytes } from './bytes.js';

/** The maximum depth of a copy. Options and ranges are flat, and `kv.txn` copies nested txns itself. */
const MAX_LEVELS = 50;

/**
 * Copies an argument, so that later changes by the caller have no effect. Byte arrays, arrays and plain objects are
 * copied with their contents. Functions and instances of classes (a signal, a codec, a `KeyValue`) are not copied. The
 * function never throws: invalid values are rejected later, when they are checked.
 */
export function captured<T>(given: T): T {
  if (typeof given !== 'object' || given === null) return given;
  try {
    return copyOf(given, 0, undefined) as T;
  } catch {
    // The error is not lost: a getter that throws, for example, throws again when its value is checked.
    return given;
  }
}

/**
 * Calls a function now, and returns a function that returns its result or throws its error. So an argument is read when
 * a method is called, but rejected only on subscription.
 */
export function readNow<T>(read: () => T): () => T {
  try {
    const value = read();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

/**
 * Wraps all methods of an object, so that they copy their arguments first. The methods of plain objects in that object
 * are wrapped as well. So are the methods of objects that its methods return, as in `election('a').campaign`. So all
 * methods of a client are wrapped, including new ones.
 */
export function capturing<A extends object>(api: A): A {
  if (ALREADY.has(api)) return api;
  const copying: object = typeof api === 'function' ? copyingFirst(api) : {};
  for (const name of Reflect.ownKeys({ ...api })) Reflect.set(copying, name, methodsIn(Reflect.get(api, name)));
  // The copy has the same members as the original, with the same types.
  return capturesItself(copying) as A;
}

/**
 * Marks a method, or all methods of an object, as copying the arguments themselves. It is used where {@link capturing}
 * would cost too much, or would not copy enough.
 */
export function capturesItself<A extends object>(api: A): A {
  ALREADY.add(api);
  return api;
}

/** The methods and objects that copy their arguments themselves. */
const ALREADY = new WeakSet<object>();

const copyingFirst =
  (method: object) =>
  (...args: readonly unknown[]) =>
    methodsIn(Reflect.apply(method as () => unknown, undefined, args.map(captured)));

const methodsIn = (value: unknown): unknown => (typeof value === 'function' || isPlain(value) ? capturing(value) : value);

/** @param met the copies so far, by their originals. An object may occur several times, or may contain itself */
function copyOf(given: unknown, level: number, met: Map<object, unknown> | undefined): unknown {
  if (typeof given !== 'object' || given === null || level > MAX_LEVELS) return given;
  const known = met?.get(given);
  if (known !== undefined) return known;
  // Most objects belong to this realm, and need fewer checks.
  if (Object.getPrototypeOf(given) === Object.prototype && !(Symbol.toStringTag in given)) return recordOf(given, level, met);
  // `slice` is not used, as the `slice` of a `Buffer` shares its memory.
  if (isBytes(given)) return new Uint8Array(given);
  if (Array.isArray(given)) return listOf(given, level, met);
  return isPlain(given) ? recordOf(given, level, met) : given;
}

function listOf(given: readonly unknown[], level: number, met: Map<object, unknown> | undefined): unknown[] {
  // `slice` keeps the holes of an array, so that they are rejected as holes.
  const list: unknown[] = given.slice();
  let copies: Map<object, unknown> | undefined;
  for (let index = 0; index < list.length; index += 1) {
    const item = list[index];
    if (typeof item !== 'object' || item === null) continue;
    copies ??= noted(met, given, list);
    list[index] = copyOf(item, level + 1, copies);
  }
  return list;
}

function recordOf(given: object, level: number, met: Map<object, unknown> | undefined): object {
  const copy: Record<string, unknown> = { ...given };
  let copies = met;
  let nested = false;
  for (const name in copy) {
    const type = typeof copy[name];
    // A nested object with methods, such as a codec that is a plain object, may depend on its identity, so it is not
    // copied.
    if (type === 'function' && level > 0) return given;
    nested ||= type === 'object';
  }
  // Most objects contain no other objects.
  if (!nested) return copy;
  for (const name in copy) {
    const value = copy[name];
    if (typeof value !== 'object' || value === null) continue;
    // Bytes contain no other objects.
    if (!isBytes(value)) copies = noted(copies, given, copy);
    copy[name] = copyOf(value, level + 1, copies);
  }
  return copy;
}

const noted = (met: Map<object, unknown> | undefined, given: object, copy: unknown): Map<object, unknown> =>
  (met ?? new Map<object, unknown>()).set(given, copy);

/** Returns whether a value is a plain object. It may belong to another realm. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
