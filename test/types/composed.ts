/** The types of composed live ranges. Checked by the compiler; never run. */
import { expectTypeOf } from 'expect-type';
import * as t from 'io-ts';
import type { Client, CombinedUpdate, ConfigUpdate, InvalidValueError, KeyValue, PutConfigResult, ViewState } from 'rxetcd';
import type { Observable } from 'rxjs';

const limits = t.type({ requests: t.number });

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
