import { inject, makeStateKey, PLATFORM_ID, TransferState } from '@angular/core';
import { defer, map, startWith, tap, type Observable } from 'rxjs';
import { KeyValue, type LiveConfigOptions, type LivePart, type Range, type Validator, type ViewState } from 'rxetcd';

type KeyValueParts = ConstructorParameters<typeof KeyValue>[0];

/**
 * A value that a server sends to the page: nothing, the JSON that a codec has read, a key-value, or all key-values of a
 * range.
 */
type Carried =
  | Record<string, never>
  | { readonly json: unknown }
  | { readonly kv: KeyValueParts }
  | { readonly kvs: readonly (readonly [id: string, kv: KeyValueParts])[] };

/** A config: its prefixes, and the options to read it. */
type ConfigPart = LiveConfigOptions<unknown> & { readonly config: unknown };

/** A key with its codec, a range, or a config. */
type Part = LivePart | Range | ConfigPart;

/** The parts of a signal by name. */
type Parts = Readonly<Record<string, Part>>;

/** The values of parts, by name. */
type Values = Readonly<Record<string, unknown>>;

/** The states of parts. `found` is the first state, if it is known at once. */
export interface Followed<T> {
  readonly states: Observable<T>;
  readonly found?: T | undefined;
}

/**
 * Passes first values from a server to the page that it has rendered. The values are sent as they were before decoding,
 * and the page decodes them with its own codecs.
 */
export class Handover {
  private constructor(
    private readonly store: TransferState | undefined,
    private readonly isServer: boolean,
    private readonly name: string | false,
  ) {}

  /** Creates a handover in an injection context. If it has no name, it passes nothing. */
  static inContext(name: string | false): Handover {
    const platform = inject(PLATFORM_ID, { optional: true });
    const isServer = platform === 'server';
    return new Handover(name !== false && (isServer || platform === 'browser') ? inject(TransferState) : undefined, isServer, name);
  }

  /**
   * Follows parts. On a server, it saves their first live values. In a page, the states begin with the values that the
   * server has saved, and `found` is the first state.
   *
   * @param only the name of the only part; the states then have its value. By default the states have the values of all
   * parts
   */
  follow<T>(parts: Parts, statesOf: (parts: Parts) => Observable<ViewState<T>>, only?: string): Followed<ViewState<T>> {
    const { store } = this;
    const id = store === undefined ? undefined : idOf(this.name, parts);
    if (store === undefined || id === undefined) return { states: statesOf(parts) };
    const key = makeStateKey<Readonly<Record<string, Carried>>>(id);
    if (this.isServer) {
      const json = new Map<string, unknown>();
      const save = ({ status, value }: ViewState<T>): void => {
        if (status === 'live') store.set(key, carriedOf(parts, (only === undefined ? value : { [only]: value }) as Values, json));
      };
      return { states: statesOf(noting(parts, json)).pipe(tap(save)) };
    }
    const values = valuesOf(parts, store.get(key, {}));
    if (values === undefined) return { states: statesOf(parts) };
    const found: ViewState<T> = { status: 'live', value: (only === undefined ? values : values[only]) as T, error: undefined };
    return { states: continued(statesOf(parts), found, () => store.remove(key)), found };
  }
}

/**
 * Emits states with the server's value until the page has a live state. Then calls `done`, and emits the states of the
 * page.
 */
function continued<T>(states: Observable<ViewState<T>>, found: ViewState<T>, done: () => void): Observable<ViewState<T>> {
  return defer(() => {
    let isOwn = false;
    return states.pipe(
      map((state): ViewState<T> => {
        const { status, error, value } = state;
        if (status === 'live' && !isOwn) {
          isOwn = true;
          done();
        }
        if (isOwn) return state;
        if (status === 'loading') return error === undefined ? found : { status: 'stale', value: found.value, error };
        return { ...state, value: value ?? found.value };
      }),
      startWith(found),
    );
  });
}

/**
 * Returns a text that identifies parts on both the server and the page. The text does not contain the codecs. Returns
 * undefined if JSON cannot represent the parts.
 */
function idOf(name: string | false, parts: Parts): string | undefined {
  try {
    const ranges = Object.entries(parts).map(([of, part]) => {
      const codec = codecOf(part);
      return codec === undefined ? [of, part] : [of, { ...(part as object), codec: true }];
    });
    return `rxetcd ${JSON.stringify([name, ranges])}`;
  } catch {
    return undefined;
  }
}

const codecOf = (part: Part): Validator<unknown> | undefined => (typeof part === 'object' && 'codec' in part ? part.codec : undefined);

/** Returns parts whose codecs record the JSON that they have last read. */
function noting(parts: Parts, json: Map<string, unknown>): Parts {
  const noted = Object.entries(parts).map(([name, part]): [string, Part] => {
    const codec = codecOf(part);
    if (codec === undefined) return [name, part];
    const through =
      <R>(read: (value: unknown) => R) =>
      (value: unknown): R => {
        json.set(name, value);
        return read(value);
      };
    const notes = Object.create(
      codec,
      '~standard' in codec
        ? { '~standard': { value: { ...codec['~standard'], validate: through(codec['~standard'].validate) } } }
        : { decode: { value: through((value) => codec.decode(value)) } },
    ) as Validator<unknown>;
    return [name, { ...(part as object), codec: notes } as Part];
  });
  return Object.fromEntries(noted);
}

function carriedOf(parts: Parts, values: Values, json: ReadonlyMap<string, unknown>): Record<string, Carried> {
  const carried = Object.entries(parts).map(([name, part]): [string, Carried] => {
    const value = values[name];
    if (value === undefined) return [name, {}];
    if (codecOf(part) !== undefined) return [name, { json: json.get(name) }];
    if (value instanceof KeyValue) return [name, { kv: partsOf(value) }];
    return [name, { kvs: [...(value as ReadonlyMap<string, KeyValue>)].map(([id, kv]) => [id, partsOf(kv)] as const) }];
  });
  return Object.fromEntries(carried);
}

/** Returns the data from which `new KeyValue` creates an equal object. */
const partsOf = ({ keyBase64: key64, valueBase64: value64, createRevision, modRevision, version, lease }: KeyValue): KeyValueParts => ({
  key64,
  value64,
  createRevision,
  modRevision,
  version,
  lease,
});

/** Returns the values of parts; undefined if a value is missing, or a codec rejects it. */
function valuesOf(parts: Parts, carried: Readonly<Record<string, Carried>>): Values | undefined {
  try {
    return Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, valueOf(carried[name], codecOf(part))]));
  } catch {
    return undefined;
  }
}

/**
 * Returns the value of a part.
 *
 * @throws an error if the value is missing, or the codec rejects it
 */
function valueOf(carried: Carried | undefined, codec: Validator<unknown> | undefined): unknown {
  if (carried === undefined) throw new Error('it is not there');
  if ('kvs' in carried) return new Map(carried.kvs.map(([id, kv]) => [id, new KeyValue(kv)]));
  if ('kv' in carried) return new KeyValue(carried.kv);
  if (!('json' in carried) || codec === undefined) return undefined;
  if ('~standard' in codec) {
    const result = codec['~standard'].validate(carried.json);
    if ('value' in result) return result.value;
  } else {
    const decoded = codec.decode(carried.json);
    if (decoded._tag === 'Right') return decoded.right;
  }
  throw new Error('its codec rejects it');
}
