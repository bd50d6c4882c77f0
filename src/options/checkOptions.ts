import { isRecord } from '../codec/message.js';
import { InvalidOptionError } from '../errors/index.js';
import { findInvalidOption, mismatch, type OptionKind, type OptionKinds, TIMER_MS } from '../model/validate.js';

/**
 * A string that is not empty. Control characters in it are there by mistake, such as the line break at the end of a
 * file.
 */
export const TEXT: OptionKind = {
  what: 'a string that is not empty, without a line break or a zero character',
  is: (value) => typeof value === 'string' && value !== '' && !/[\0\r\n]/.test(value),
};

/** A time that a timer can wait, or none. */
export const TIMEOUT: OptionKind = {
  what: `${TIMER_MS.what}, or Infinity`,
  is: (value) => value === Infinity || TIMER_MS.is(value),
  numeric: true,
};

/**
 * Tells whether a path is like `/v3`, without a slash at its end. No segment may consist of dots, as it would change
 * the path.
 */
export const isPath = (path: string): boolean => /^(\/(?!\.+(\/|$))[A-Za-z0-9._~-]+)+$/.test(path);

/**
 * Checks the options of a client, or a group of them, such as `streams`. Returns them.
 *
 * @param group the name of the group; empty for all options
 * @throws InvalidOptionError that names the first invalid option
 */
export function checkGroup<O extends object>(group: string, options: O, kinds: OptionKinds<O>): O {
  if (!isRecord(options)) throw invalidOption(group === '' ? '(all)' : group, `{ ${Object.keys(kinds).join(', ')} }`, options);
  const invalid = findInvalidOption(options, kinds, group === '' ? '' : `${group}.`);
  if (invalid === undefined) return options;
  throw new InvalidOptionError(invalid.name, invalid.problem);
}

/** Creates the error for an option with an invalid value. */
export const invalidOption = (option: string, what: string, value: unknown): InvalidOptionError =>
  new InvalidOptionError(option, mismatch({ what }, value));
