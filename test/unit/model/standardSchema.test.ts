import { describe, expect, test } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { of } from 'rxjs';
import { decodeJson, tryDecode } from '../../../operators/index.js';
import { hasReason, type SchemaResult, type StandardSchema, type Validator } from '../../../src/index.js';
import { put } from '../../operators/support.js';

/** A schema as a library creates it: it checks with a function. */
const schemaOf = <A>(validate: (value: unknown) => SchemaResult<A> | PromiseLike<SchemaResult<A>>): StandardSchema<A> => ({
  '~standard': { version: 1, vendor: 'test', validate },
});
const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;

/** A schema for `{ on: boolean }`. Its message quotes the value, as in some libraries. */
const Flag = schemaOf<{ readonly on: boolean }>((value) => {
  const on = fieldOf(value, 'on');
  if (typeof on === 'boolean') return { value: { on } };
  return { issues: [{ message: `expected boolean, received ${JSON.stringify(on)}`, path: [{ key: 'on' }] }] };
});
/** A schema that is a function, as those of ArkType are. */
const Callable: StandardSchema<{ readonly on: boolean }> = Object.assign(() => undefined, Flag);

const kvOf = (value: string) => put('flags/a', value, 1).kv;
const failuresOf = (validator: Validator<unknown>, value: string): unknown =>
  E.match(
    (error: Error) => error.message,
    (decoded: unknown) => decoded,
  )(kvOf(value).json(validator));

describe.each<[string, Validator<{ readonly on: boolean }>]>([
  ['an io-ts codec', t.type({ on: t.boolean })],
  ['a Standard Schema', Flag],
  ['a Standard Schema that is a function', Callable],
])('%s', (_, validator) => {
  test('checks a value, and names the path of a fault', () => {
    expect(failuresOf(validator, '{"on":true}')).toEqual({ on: true });
    expect(failuresOf(validator, '{"on":"hunter2"}')).toMatch(/^the value of "flags\/a" is not valid: on: expected .*, received string$/);
    expect(failuresOf(validator, 'oops')).toBe('the value of "flags/a" is not valid: it is not JSON');
  });

  test('is accepted by the operators', () => {
    const seen: unknown[] = [];
    of(put('a', '{"on":true}', 3))
      .pipe(decodeJson(validator))
      .subscribe({ next: ({ value }) => seen.push(value.on), error: (error) => seen.push(error) });
    of(put('a', '{"on":1}', 4))
      .pipe(tryDecode(validator))
      .subscribe((result) => seen.push(E.isLeft(result) && hasReason(result.left, 'InvalidValue')));
    expect(seen).toEqual([true, true]);
  });
});

test('an issue of a schema may have no path, or one in a list', () => {
  const whole = schemaOf<never>(() => ({ issues: [{ message: 'no' }] }));
  expect(failuresOf(whole, '{}')).toBe('the value of "flags/a" is not valid: no');
  const nested = schemaOf<never>(() => ({ issues: [{ message: 'expected string, received 7', path: ['list', 0] }] }));
  expect(failuresOf(nested, '{"list":[7]}')).toBe('the value of "flags/a" is not valid: list.0: expected another value, received number');
});

test('a schema that checks asynchronously is rejected', () => {
  const slow = schemaOf<string>(() => Promise.resolve({ value: 'a' }));
  expect(() => kvOf('1').json(slow)).toThrow('expected a synchronous schema');
});

test('without a codec, the value is parsed JSON', () => {
  expect(kvOf('{"a":[1]}').json()).toEqual(E.right({ a: [1] }));
  expect(E.isLeft(kvOf('oops').json())).toBe(true);
});

test('an invalid codec is rejected when the operator is called', () => {
  expect(() => decodeJson({} as never)).toThrow('codec of decodeJson: expected an io-ts codec or a Standard Schema, received object');
});
