/** The types of composed live ranges. Checked by the compiler; never run. */
import { expectTypeOf } from 'expect-type';
import type { Either } from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import type { Client, CombinedUpdate, ConfigUpdate, InvalidValueError, KeyValue, PutConfigResult, ViewState } from 'rxetcd';
import { decodeJson, puts } from 'rxetcd/operators';
import type { Observable } from 'rxjs';
import * as v from 'valibot';
import { z } from 'zod';

const limits = t.type({ requests: t.number });

export function schemasOfLibrariesGiveTheirTypes({ liveValue, liveValueState, combineLive, call, kv, watch }: Client): void {
  const ofZod = z.object({ on: z.boolean(), size: z.string().transform(async (text) => Promise.resolve(text.length)) });
  const ofValibot = v.objectAsync({
    on: v.boolean(),
    size: v.pipeAsync(
      v.string(),
      v.transformAsync((text) => Promise.resolve(text.length)),
    ),
  });
  interface Read {
    on: boolean;
    size: number;
  }
  expectTypeOf(liveValue('a', { codec: ofZod })).toEqualTypeOf<Observable<Read | undefined>>();
  expectTypeOf(liveValueState('a', { codec: ofValibot })).toEqualTypeOf<Observable<ViewState<Read | undefined>>>();
  combineLive({ a: { key: 'a', codec: ofZod } }).subscribe(({ value }) => expectTypeOf(value.a).toEqualTypeOf<Read | undefined>());
  expectTypeOf(call('/kv/range', {}, { codec: ofZod })).toEqualTypeOf<Observable<Read>>();
  watch('a')
    .pipe(puts(), decodeJson(ofValibot))
    .subscribe(({ value }) => expectTypeOf(value).toEqualTypeOf<Read>());
  kv.get('a').subscribe((found) => expectTypeOf(found?.json(ofZod)).toEqualTypeOf<Either<InvalidValueError, Read> | undefined>());
}

export function partsHaveTheTypesOfTheirValues({ combineLive, combineLiveState }: Client): void {
  const parts = { limits: { key: 'limits', codec: limits }, flags: { prefix: 'flags/' }, primary: { key: Uint8Array.of(1) } };
  interface Value {
    readonly limits: { requests: number } | undefined;
    readonly flags: ReadonlyMap<string, KeyValue>;
    readonly primary: KeyValue | undefined;
  }
  combineLive(parts).subscribe(({ value, changed, revision, type }) => {
    expectTypeOf(value).toExtend<Value>();
    expectTypeOf(value.limits).toEqualTypeOf<{ requests: number } | undefined>();
    expectTypeOf(value.flags).toEqualTypeOf<ReadonlyMap<string, KeyValue>>();
    expectTypeOf(value.primary).toEqualTypeOf<KeyValue | undefined>();
    expectTypeOf(changed).toEqualTypeOf<readonly ('limits' | 'flags' | 'primary')[]>();
    expectTypeOf(revision).toEqualTypeOf<number>();
    expectTypeOf(type).toEqualTypeOf<'snapshot' | 'change' | 'resync'>();
    // @ts-expect-error there is no such part
    void value.others;
  });
  expectTypeOf(combineLive(parts)).toEqualTypeOf<Observable<CombinedUpdate<typeof parts>>>();
  expectTypeOf(combineLiveState(parts)).toEqualTypeOf<Observable<ViewState<CombinedUpdate<typeof parts>['value']>>>();
  void combineLive(parts, {
    onInvalid: (error, part) => {
      expectTypeOf(error).toEqualTypeOf<InvalidValueError>();
      expectTypeOf(part).toEqualTypeOf<'limits' | 'flags' | 'primary'>();
    },
  });
  void combineLive({ all: { all: true }, some: { from: 'a', to: 'b' }, rest: { from: 'x' } });
  // @ts-expect-error a part is an object, for which a codec has a place
  void combineLive({ a: 'key' });
  // @ts-expect-error there is no such option
  void combineLive(parts, { fallback: 1 });
}

export function aConfigHasTheTypeOfItsCodec({ liveConfig, liveConfigState, putConfig }: Client): void {
  expectTypeOf(liveConfigState(['a/', 'b/'], { codec: limits })).toEqualTypeOf<Observable<ViewState<{ requests: number }>>>();
  // @ts-expect-error a config is checked
  void liveConfigState('app/', {});
  expectTypeOf(liveConfig('app/', { codec: limits })).toEqualTypeOf<Observable<ConfigUpdate<{ requests: number }>>>();
  liveConfig(['a/', 'b/'], { codec: limits, separator: '.', defaults: { requests: 1 } }).subscribe(({ config, changes, rejected }) => {
    expectTypeOf(config).toEqualTypeOf<{ requests: number }>();
    expectTypeOf(changes[0]?.path).toEqualTypeOf<string | undefined>();
    expectTypeOf(rejected).toEqualTypeOf<InvalidValueError | undefined>();
  });
  expectTypeOf(putConfig('app/', { requests: 1 }, { revision: 7 })).toEqualTypeOf<Observable<PutConfigResult>>();
  // @ts-expect-error a config is checked
  void liveConfig('app/', {});
  // @ts-expect-error a config is an object
  void putConfig('app/', 'text');
}
