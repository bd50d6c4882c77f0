import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import * as operators from '../../../operators/index.js';
import { hasReason, type EtcdError } from '../../../src/errors/index.js';
import { isPlain } from './arguments.js';
import { junk, SECRET } from './junk.js';
import { callOperator, isIterable, nameOf, OPERATORS, type Given } from './operatorArguments.js';

const valuesOf = (given: Given = {}): unknown[] => Object.values(given).map(([value]) => value);
const rightOptions = (options: Given = {}): object => Object.fromEntries(Object.entries(options).map(([name, [value]]) => [name, value]));

/** Returns the error that the operator of a row throws for such arguments. */
function refusal(row: string, args: readonly unknown[]): EtcdError {
  try {
    callOperator(row, args);
  } catch (error) {
    if (hasReason(error, 'InvalidArgument')) return error;
    throw error;
  }
  throw new Error(`${row} takes it`);
}

function expectNamed(error: EtcdError, row: string, argument: string): void {
  expect(error.message).toMatch(new RegExp(`\\b${nameOf(row)}\\b`));
  expect(error.message).toContain(argument);
  expect(String(error) + JSON.stringify(error)).not.toContain(SECRET);
}

/** The same property, for each argument or option of each operator. */
const each = (of: 'args' | 'options'): [row: string, name: string, at: number][] =>
  Object.entries(OPERATORS).flatMap(([row, given]) =>
    Object.keys(given[of] ?? {}).map((name, at): [string, string, number] => [row, name, at]),
  );

/** Operators with options, which come last. */
const withOptions = Object.entries(OPERATORS).filter(([, { options }]) => options !== undefined);

/**
 * Returns whether a value is valid as the options of a row: they may be left out, and have none of the names in the
 * junk.
 */
function isOptions(row: string, given: unknown): boolean {
  if (given === undefined) return true;
  // In this place it is the other form of the operator.
  if (row === 'putAll' && isIterable(given)) return true;
  return isPlain(given) && Object.keys(given).length === 0;
}

test('every operator is tried', () => {
  expect([...new Set(Object.keys(OPERATORS).map(nameOf))]).toEqual(
    Object.keys(operators)
      .filter((name) => !['isPutAllError', 'isTransientError'].includes(name))
      .sort(),
  );
});

describe('invalid arguments are rejected when the operator is called, with an error that names operator and argument and does not show the value', () => {
  test.each(each('args'))('%s: %s', (row, name, at) => {
    const { args = {}, options } = OPERATORS[row] ?? {};
    const right = [...valuesOf(args), ...(options === undefined ? [] : [{}])];
    fc.assert(
      fc.property(junk, (wrong) => {
        fc.pre(args[name]?.[1](wrong) === false);
        expectNamed(refusal(row, right.with(at, wrong)), row, name);
      }),
    );
  });

  test.each(each('options'))('%s: the option %s', (row, name) => {
    const { args, options = {} } = OPERATORS[row] ?? {};
    fc.assert(
      fc.property(junk, (wrong) => {
        fc.pre(options[name]?.[1](wrong) === false);
        expectNamed(refusal(row, [...valuesOf(args), { [name]: wrong }]), row, name);
      }),
    );
  });

  test.each(withOptions)('%s: its options as a whole', (row, { args }) => {
    fc.assert(
      fc.property(junk, (wrong) => {
        fc.pre(!isOptions(row, wrong));
        expectNamed(refusal(row, [...valuesOf(args), wrong]), row, 'option');
      }),
    );
  });

  test.each(withOptions)('%s: an unknown option', (row, { args, options = {} }) => {
    const error = refusal(row, [...valuesOf(args), { bogus: SECRET }]);
    expectNamed(error, row, 'bogus');
    expect(/options (.*), received/.exec(error.message)?.[1]?.split(', ').sort()).toEqual(Object.keys(options).sort());
  });
});

test.each(Object.entries(OPERATORS))('valid arguments are accepted by %s', (row, { args, options }) => {
  expect(() => callOperator(row, [...valuesOf(args), ...(options === undefined ? [] : [rightOptions(options)])])).not.toThrow();
});
