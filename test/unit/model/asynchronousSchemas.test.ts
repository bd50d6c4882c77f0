import { afterEach, describe, expect, test } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { filter, firstValueFrom, of, Subject } from 'rxjs';
import * as v from 'valibot';
import { z } from 'zod';
import { decodeJson, decodeWith, puts, tryDecode } from '../../../operators/index.js';
import { type Client, hasReason, type StandardSchema, type Validator } from '../../../src/index.js';
import { createTestEtcd } from '../../../src/testing/index.js';
import { put } from '../../operators/support.js';
import { waitFor } from '../../support/waitFor.js';
import { failureWith } from '../../integration/support/outcomes.js';

interface Flag {
  readonly on: boolean;
}

/** Real libraries: a schema that checks at once, and one that takes its time. */
const LIBRARIES: readonly (readonly [string, Validator<Flag>, Validator<Flag>])[] = [
  ['zod', z.object({ on: z.boolean() }), z.object({ on: z.boolean() }).refine(() => Promise.resolve(true))],
  [
    'valibot',
    v.object({ on: v.boolean() }),
    v.objectAsync({
      on: v.pipeAsync(
        v.boolean(),
        v.checkAsync(() => Promise.resolve(true)),
      ),
    }),
  ],
];

/** A number whose check ends when the test decides, in any order. */
function heldSchema() {
  const checks = new Map<unknown, (valid: boolean) => void>();
  const schema: StandardSchema<number> = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) =>
        new Promise((resolve) => checks.set(value, (valid) => resolve(valid ? { value: Number(value) } : { issues: [{ message: 'no' }] }))),
    },
  };
  const finish = async (value: number, valid = true): Promise<void> => {
    await waitFor(`the check of ${value}`, () => checks.has(value));
    checks.get(value)?.(valid);
    checks.delete(value);
  };
  return { schema, finish, isChecking: (value: number) => checks.has(value) };
}

const opened: Client[] = [];
afterEach(async () => void (await Promise.all(opened.splice(0).map((etcd) => etcd.close()))));

function newEtcd() {
  const { etcd, server } = createTestEtcd();
  opened.push(etcd);
  return { etcd, server };
}

describe.each(LIBRARIES)('schemas of %s', (_, now, later) => {
  test('are checked synchronously by KeyValue.json, which rejects asynchronous ones', () => {
    const { kv } = put('a', '{"on":true}', 1);
    expect(kv.json(now)).toEqual(E.right({ on: true }));
    expect(() => kv.json(later)).toThrow('decodeJson, tryDecode, liveValue and combineLive accept it');
  });

  test.each([
    ['now', now],
    ['later', later],
  ])('are accepted by decodeJson and tryDecode: %s', async (__, codec) => {
    const item = put('a', '{"on":true}', 3);
    const wrong = put('a', '{"on":"hunter2"}', 4);
    expect(await firstValueFrom(of(item).pipe(decodeJson(codec)))).toMatchObject({ key: 'a', value: { on: true }, revision: 3 });
    const error = await failureWith('InvalidValue', of(wrong).pipe(decodeJson(codec)));
    expect(error.message).toMatch(/^the value of "a" is not valid: on: /);
    expect(error.message).not.toContain('hunter2');
    expect(await firstValueFrom(of(wrong).pipe(tryDecode(codec)))).toMatchObject({ left: { reason: 'InvalidValue' } });
  });

  test('are accepted by live values and by call', async () => {
    const { etcd, server } = newEtcd();
    server.put('a', '{"on":true}');
    const wanted = { on: true };
    expect(await firstValueFrom(etcd.liveValue('a', { codec: later }))).toEqual(wanted);
    const states = etcd.liveValueState('a', { codec: later }).pipe(filter(({ status }) => status === 'live'));
    expect((await firstValueFrom(states)).value).toEqual(wanted);
    const parts = { a: { key: 'a', codec: later }, b: { prefix: 'b' } };
    expect((await firstValueFrom(etcd.combineLive(parts))).value.a).toEqual(wanted);
    const live = etcd.combineLiveState(parts).pipe(filter(({ status }) => status === 'live'));
    expect((await firstValueFrom(live)).value?.a).toEqual(wanted);
    await failureWith('InvalidArgument', etcd.liveConfig('a/', { codec: later, defaults: wanted }));
    await failureWith('MalformedResponse', etcd.call('/kv/range', { key: 'YQ==' }, { codec: later, safety: 'read' }));
    expect((await failureWith('AmbiguousWrite', etcd.call('/kv/range', { key: 'YQ==' }, { codec: later }))).cause).toMatchObject({
      reason: 'MalformedResponse',
    });
  });
});

test('the types of schema libraries are inferred for the values', async () => {
  const { etcd, server } = newEtcd();
  server.put('a', '7');
  const codec = z.object({ count: z.string().transform(async (text) => Promise.resolve(Number(text))) });
  const { count } = await firstValueFrom(etcd.call('/kv/range', { key: 'YQ==' }, { codec, safety: 'read' }));
  expect(count.toFixed(1)).toBe('1.0');
});

describe('an asynchronous check', () => {
  test('keeps the order of the values, whichever ends first', async () => {
    const { schema, finish, isChecking } = heldSchema();
    const source = new Subject<ReturnType<typeof put>>();
    const seen: unknown[] = [];
    source.pipe(puts(), decodeJson(schema)).subscribe({ next: ({ value }) => seen.push(value), complete: () => seen.push('end') });
    for (const value of [1, 2, 3]) source.next(put('a', String(value), value));
    source.complete();
    expect(isChecking(2)).toBe(false);
    for (const value of [1, 2, 3]) await finish(value);
    await waitFor('the end', () => seen.at(-1) === 'end');
    expect(seen).toEqual([1, 2, 3, 'end']);
  });

  test('does not let an older value follow a newer one in a live value', async () => {
    const { etcd, server } = newEtcd();
    const { schema, finish } = heldSchema();
    server.put('a', '1');
    const seen: unknown[] = [];
    const invalid: unknown[] = [];
    const values = etcd.liveValue('a', { codec: schema, onInvalid: ({ reason }) => invalid.push(reason) });
    const following = values.subscribe((value) => seen.push(value));
    await finish(1);
    await waitFor('the first value', () => seen.length === 1);
    server.put('a', '2');
    server.put('a', '3');
    server.delete('a');
    await finish(2, false);
    await finish(3);
    await waitFor('the deletion', () => seen.length === 3);
    expect(seen).toEqual([1, 3, undefined]);
    expect(invalid).toEqual(['InvalidValue']);
    following.unsubscribe();
  });

  test('is not reported after its subscriber has unsubscribed', async () => {
    const { schema, finish } = heldSchema();
    const seen: unknown[] = [];
    const reading = of(put('a', '1', 1), put('a', '2', 2))
      .pipe(tryDecode(schema))
      .subscribe((result) => seen.push(result));
    reading.unsubscribe();
    await finish(1);
    expect(seen).toEqual([]);
  });

  test('passes on the error of the check itself', async () => {
    const broken: StandardSchema<number> = {
      '~standard': { version: 1, vendor: 'test', validate: () => Promise.reject(new Error('the directory is down')) },
    };
    await expect(firstValueFrom(of(put('a', '1', 1)).pipe(tryDecode(broken)))).rejects.toThrow('the directory is down');
    await expect(firstValueFrom(of(put('a', '1', 1)).pipe(decodeWith(broken)))).rejects.toThrow('the directory is down');
    // Its Promise is not awaited, and must not end the process.
    expect(() => put('a', '1', 1).kv.json(broken)).toThrow('expected a synchronous schema');
  });

  test('of a shared live value has the same result for each subscriber', async () => {
    const { etcd, server } = newEtcd();
    server.put('a', '1');
    const codec = z.number().refine((value) => Promise.resolve(value < 5));
    const [one, two] = [0, 1].map(() => firstValueFrom(etcd.liveValue('a', { codec })));
    expect([await one, await two]).toEqual([1, 1]);
    server.put('a', '7');
    expect(hasReason(await failureWith('InvalidValue', etcd.liveValue('a', { codec })), 'InvalidValue')).toBe(true);
  });
});
