import { InvalidOptionError } from '../errors/index.js';
import { ownOptionFor } from './foreignOptions.js';
import { isHeaderText, LONGEST_MS, typeName } from '../model/validate.js';

/** @param path the prefix of the names in errors, such as `auth.` */
export function onlyKnown(path: string, given: object, known: readonly string[]): void {
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    const own = ownOptionFor(path + name);
    const advice = own === undefined ? '' : `. In its place give ${own}`;
    throw new InvalidOptionError(path + name, `there is no such option; there are ${known.map((key) => path + key).join(', ')}${advice}`);
  }
}

/** Checks a duration in milliseconds that a timer can wait. */
export function duration(option: string, value: unknown, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number' || !(value > 0) || value > LONGEST_MS) {
    throw new InvalidOptionError(option, `milliseconds above 0 and at most ${LONGEST_MS}, not ${shown(value)}`);
  }
  return value;
}

/** Checks a duration as {@link duration} does, but allows `Infinity`. */
export function limit(option: string, value: unknown, fallback: number): number {
  return value === Infinity ? value : duration(option, value, fallback);
}

export function count(option: string, value: unknown, fallback: number, most: number = Number.MAX_SAFE_INTEGER): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1 || value > most)
    throw new InvalidOptionError(
      option,
      `a whole number from 1${most === Number.MAX_SAFE_INTEGER ? '' : ` to ${most}`}, not ${shown(value)}`,
    );
  return value;
}

export function flag(option: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value !== 'boolean') throw new InvalidOptionError(option, `true or false, not ${shown(value)}`);
  return value;
}

/**
 * Checks text. It must not be empty, or contain control characters that are there by mistake, such as the line break at
 * the end of a file.
 */
export function text(option: string, value: unknown): string {
  if (typeof value !== 'string' || value === '')
    throw new InvalidOptionError(option, `a string that is not empty, not ${value === '' ? 'an empty one' : typeName(value)}`);
  if (/[\0\r\n]/.test(value)) throw new InvalidOptionError(option, 'it has a line break or a zero character in it');
  return value;
}

/**
 * Tells whether a path is like `/v3`, without a slash at its end. No segment may consist of dots, as it would change
 * the path.
 */
export const isPath = (path: string): boolean => /^(\/(?!\.+(\/|$))[A-Za-z0-9._~-]+)+$/.test(path);

/** Checks text that can be the value of a header. */
export function headerText(option: string, value: unknown): string {
  if (typeof value === 'string' && !isHeaderText(value))
    throw new InvalidOptionError(option, 'it has a line break or another character that HTTP does not allow in a header');
  return text(option, value);
}

const shown = (value: unknown): string => (typeof value === 'number' ? String(value) : typeName(value));
