import { InvalidOptionError } from '../errors/index.js';
import { typeName } from '../model/failures.js';
import { isHeaderText } from '../transport/headerText.js';

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @param path what comes before the names: `auth.` */
export function onlyKnown(path: string, given: object, known: readonly string[]): void {
  for (const name of Object.keys(given)) {
    if (!known.includes(name))
      throw new InvalidOptionError(path + name, `there is no such option; there are ${known.map((key) => path + key).join(', ')}`);
  }
}

/** Node's timers wrap above this, and fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** Milliseconds that a timer can wait. */
export function duration(option: string, value: unknown, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number' || !(value > 0) || value > LONGEST_MS) {
    throw new InvalidOptionError(option, `milliseconds above 0 and at most ${LONGEST_MS}, not ${shown(value)}`);
  }
  return value;
}

/** As {@link duration}, or `Infinity`. */
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

/** Text that is not empty and has no control characters in it that are a slip, such as the line break at the end of a file. */
export function text(option: string, value: unknown): string {
  if (typeof value !== 'string' || value === '')
    throw new InvalidOptionError(option, `a string that is not empty, not ${value === '' ? 'an empty one' : typeName(value)}`);
  if (/[\0\r\n]/.test(value)) throw new InvalidOptionError(option, 'it has a line break or a zero character in it');
  return value;
}

/** Text that can stand behind the name of a header. */
export function headerText(option: string, value: unknown): string {
  if (typeof value === 'string' && !isHeaderText(value))
    throw new InvalidOptionError(option, 'it has a line break or another character that HTTP does not allow in a header');
  return text(option, value);
}

const shown = (value: unknown): string => (typeof value === 'number' ? String(value) : typeName(value));
