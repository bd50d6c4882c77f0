import type { Errors } from 'io-ts';

/**
 * io-ts's validation errors as one line each: where, and what was wanted there. The offending value is named by its type only: it may be a secret.
 */
export function failuresOf(errors: Errors): string[] {
  return errors.map(({ context, message, value }) => {
    const path = context
      .map(({ key }) => key)
      .filter((key) => key !== '')
      .join('.');
    const wanted = message ?? `expected ${context[context.length - 1]?.type.name ?? 'another type'}, got ${typeName(value)}`;
    return path === '' ? wanted : `${path}: ${wanted}`;
  });
}

/** The kind of a value, for messages that must not show it. */
export function typeName(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (typeof value === 'string' && !value.isWellFormed()) return 'text with half of a surrogate pair in it, which UTF-8 does not have';
  if (typeof value !== 'object') return typeof value;
  if (Array.isArray(value)) return 'an array';
  // `[object Map]`: what has a name of its own is not said to be an object where an object is wanted.
  const name = Object.prototype.toString.call(value).slice(8, -1);
  return name === 'Object' ? 'object' : name;
}
