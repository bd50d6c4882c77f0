import * as E from 'fp-ts/lib/Either.js';
import type { Decoder } from 'io-ts';
import { concatMap, defer, distinctUntilChanged, map, type Observable } from 'rxjs';
import type { InvalidValueError } from '../errors/index.js';
import { CODEC, FUNCTION, required, type OptionKinds } from '../model/validate.js';
import type { KeyValue } from '../model/keyValue.js';
import { isUnchanged } from '../model/unchanged.js';
import type { LiveUpdate } from './live/liveRange.js';

/** How the value of a key is followed. */
export interface LiveValueOptions<A> {
  /** What the value, read as JSON, must be. */
  readonly codec: Decoder<unknown, A>;
  /**
   * What is done about a value that is not: it is reported here, and the last good one stays. Without it the stream errors with the
   * `InvalidValueError`.
   */
  readonly onInvalid?: (error: InvalidValueError) => void;
}

export const LIVE_VALUE_STATE: OptionKinds<Pick<LiveValueOptions<unknown>, 'codec'>> = { codec: required(CODEC) };
export const LIVE_VALUE: OptionKinds<LiveValueOptions<unknown>> = { ...LIVE_VALUE_STATE, onInvalid: FUNCTION };

/** The value of a key at a time: decoded, refused by the codec, or missing. */
export type ValueReading<A> = E.Either<InvalidValueError, A | undefined>;

/** The one key of a live range, each time it changes; undefined while there is none. */
export function liveKey(updates: Observable<LiveUpdate>): Observable<KeyValue | undefined> {
  return updates.pipe(
    map(({ state }): KeyValue | undefined => {
      for (const kv of state.values()) return kv;
      return undefined;
    }),
    // A list after a compaction may bring what is known.
    distinctUntilChanged(isUnchanged),
  );
}

/** A key's value through a codec, each time it changes. */
export function valueReadings<A>(kvs: Observable<KeyValue | undefined>, codec: Decoder<unknown, A>): Observable<ValueReading<A>> {
  return kvs.pipe(map((kv) => (kv === undefined ? E.right(undefined) : kv.json(codec))));
}

/** A key's good values; what becomes of a bad one is up to the options. */
export function liveValues<A>(kvs: Observable<KeyValue | undefined>, { codec, onInvalid }: LiveValueOptions<A>): Observable<A | undefined> {
  return defer(() =>
    valueReadings(kvs, codec).pipe(
      concatMap((reading) => {
        if (E.isRight(reading)) return [reading.right];
        if (onInvalid === undefined) throw reading.left;
        onInvalid(reading.left);
        return [];
      }),
    ),
  );
}
