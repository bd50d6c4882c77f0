import {
  assertInInjectionContext,
  computed,
  DestroyRef,
  effect,
  inject,
  Injector,
  PendingTasks,
  PLATFORM_ID,
  runInInjectionContext,
  signal,
  untracked,
  type Signal,
} from '@angular/core';
import { finalize, of, takeUntil, takeWhile, timer, type Observable } from 'rxjs';
import {
  EtcdError,
  isEtcdError,
  type BytesLike,
  type CombinedValue,
  type ConnectionState,
  type KeyValue,
  type LiveConfigOptions,
  type LiveParts,
  type Namespace,
  type Range,
  type Validator,
  type ViewState,
} from 'rxetcd';
import { injectEtcd, outsideZone } from './provideEtcd.js';
import { Handover, type Followed } from './transfer.js';

/** The options of a signal. */
export interface LiveSignalOptions {
  /** The client, or a namespace of it. The default is `injectEtcd()`. */
  readonly etcd?: Namespace;
  /** The injector whose destruction ends the signal. The default is the injector of the current injection context. */
  readonly injector?: Injector;
  /**
   * The time for which rendering on a server waits for the first value, in milliseconds. The default is 2 000. After
   * this time, the page is rendered with the status `loading`.
   */
  readonly serverTimeoutMs?: number;
  /**
   * The name under which a server passes the first value of the signal to the page. The client of `injectEtcd()` has a
   * default name. With the option `etcd` there is no default, and the server passes nothing unless a name is set. Give
   * each client and namespace a separate name. With `false` the server passes nothing.
   */
  readonly transfer?: string | false;
}

/** The name of the part of a signal that has only one part. */
const ONLY = 'only';

const LOADING = { status: 'loading', value: undefined, error: undefined } as const;

/**
 * Shows the state of `liveValueState(key)` as a signal. The first state is `loading`. Reading the signal never throws:
 * an invalid value or a lost connection is shown as a state. The signal is updated until its component or service is
 * destroyed.
 *
 * ```ts
 * class Banner {
 *   readonly site = input.required<string>();
 *   readonly config = liveValueSignal(() => `sites/${this.site()}/config`, { codec: t.type({ color: t.string }) });
 * }
 * // In the template: {{ config().value?.color }} {{ config().status }}
 * ```
 *
 * @param key a key, or a function that reads signals. When its result changes, the signal is `loading` again and
 * follows the new key. While the result is `undefined`, no key is followed. If the function throws, the state is
 * `failed`.
 * @param options.codec the codec of the value, which is read as JSON
 */
export function liveValueSignal<A>(
  key: BytesLike | (() => BytesLike | undefined),
  options: LiveSignalOptions & { readonly codec: Validator<A> },
): Signal<ViewState<A | undefined>> {
  const { codec } = options;
  return inContextOf(liveValueSignal, options, (etcd) => {
    const handover = handoverOf(options);
    const follow = (current: BytesLike): Followed<ViewState<A | undefined>> =>
      handover.follow(
        { [ONLY]: { key: current, codec } },
        ({ [ONLY]: noting }) => etcd.liveValueState(current, codecIn({ codec }, noting)),
        ONLY,
      );
    return typeof key === 'function' ? shownReactively(key, follow, options) : shownNow(follow(key), LOADING, options);
  });
}

/**
 * Shows the state of `liveState(range)` as a signal: a map of the keys with their values, in order. The first state is
 * `loading`. Reading the signal never throws. The signal is updated until its component or service is destroyed.
 *
 * ```ts
 * class ServiceList {
 *   readonly services = liveSignal({ prefix: 'services/' });
 *   readonly names = computed(() => [...(this.services().value?.keys() ?? [])]);
 * }
 * ```
 *
 * @param range a range, or a function that reads signals and returns a range. The parameter `key` of {@link
 * liveValueSignal} works in the same way
 */
export function liveSignal(
  range: Range | (() => Range | undefined),
  options: LiveSignalOptions = {},
): Signal<ViewState<ReadonlyMap<string, KeyValue>>> {
  return inContextOf(liveSignal, options, (etcd) => {
    const handover = handoverOf(options);
    const follow = (current: Range): Followed<ViewState<ReadonlyMap<string, KeyValue>>> =>
      handover.follow({ [ONLY]: current }, () => etcd.liveState(current), ONLY);
    return typeof range === 'function' ? shownReactively(range, follow, options) : shownNow(follow(range), LOADING, options);
  });
}

/**
 * Shows the state of `combineLiveState(parts)` as a signal: several keys and ranges as of one revision. The first state
 * is `loading`. Reading the signal never throws. The signal is updated until its component or service is destroyed.
 *
 * ```ts
 * class Settings {
 *   readonly settings = combineLiveSignal({
 *     limits: { key: 'app/limits', codec: Limits },
 *     flags: { prefix: 'app/flags/' },
 *   });
 *   readonly beta = computed(() => this.settings().value?.flags.has('app/flags/beta') ?? false);
 * }
 * ```
 *
 * @param parts the parts by name, or a function that reads signals, like the parameter `key` of {@link liveValueSignal}
 */
export function combineLiveSignal<P extends LiveParts>(
  parts: P | (() => P | undefined),
  options: LiveSignalOptions = {},
): Signal<ViewState<CombinedValue<P>>> {
  return inContextOf(combineLiveSignal, options, (etcd) => {
    const handover = handoverOf(options);
    const follow = (current: P): Followed<ViewState<CombinedValue<P>>> =>
      handover.follow(current, (noting) => etcd.combineLiveState(noting as P));
    return typeof parts === 'function' ? shownReactively(parts, follow, options) : shownNow(follow(parts), LOADING, options);
  });
}

/**
 * Shows the state of `liveConfigState(prefix)` as a signal: the keys below a prefix as one checked object. The first
 * state is `loading`. Reading the signal never throws. The signal is updated until its component or service is
 * destroyed. An invalid config is shown as `invalid`, together with the config in force.
 *
 * ```ts
 * class Header {
 *   readonly config = liveConfigSignal(['defaults/', 'site/'], { codec: Site });
 *   readonly title = computed(() => this.config().value?.header.title ?? '');
 * }
 * ```
 *
 * @param prefix a prefix, or the prefixes of layers, or a function that reads signals, like the parameter `key` of
 * {@link liveValueSignal}
 */
export function liveConfigSignal<A>(
  prefix: ConfigPrefix | (() => ConfigPrefix | undefined),
  options: LiveSignalOptions & LiveConfigOptions<A>,
): Signal<ViewState<A>> {
  const { etcd: _, injector, serverTimeoutMs, transfer, ...config } = options;
  return inContextOf(liveConfigSignal, options, (etcd) => {
    const handover = handoverOf(options);
    const follow = (current: ConfigPrefix): Followed<ViewState<A>> =>
      handover.follow(
        { [ONLY]: { config: current, ...config } },
        ({ [ONLY]: noting }) => etcd.liveConfigState(current, codecIn(config, noting)),
        ONLY,
      );
    return typeof prefix === 'function' ? shownReactively(prefix, follow, options) : shownNow(follow(prefix), LOADING, options);
  });
}

/** The prefix of a config, or the prefixes of its layers. */
type ConfigPrefix = string | readonly string[];

/**
 * Shows `connection$` as a signal: the state of the connection that the watches use. On a server the signal keeps its
 * first state.
 *
 * ```ts
 * class Status {
 *   private readonly connection = connectionSignal();
 *   readonly offline = computed(() => this.connection().status === 'reconnecting');
 * }
 * ```
 */
export function connectionSignal(options: Omit<LiveSignalOptions, 'serverTimeoutMs' | 'transfer'> = {}): Signal<ConnectionState> {
  return inContextOf(connectionSignal, options, (etcd) =>
    shownNow<ConnectionState>({ states: etcd.connection$ }, { status: 'idle' }, options),
  );
}

/** Runs a function with the injection context and the client that the options choose. */
function inContextOf<T>(caller: (...args: never[]) => unknown, options: LiveSignalOptions, run: (etcd: Namespace) => T): T {
  if (options.injector === undefined) assertInInjectionContext(caller);
  return runInInjectionContext(options.injector ?? inject(Injector), () => run(options.etcd ?? injectEtcd()));
}

/** Creates the handover that the options name. */
function handoverOf({ etcd, transfer = etcd === undefined ? '' : false }: LiveSignalOptions): Handover {
  return Handover.inContext(transfer);
}

/** Returns options with the codec of a part, which replaces the original codec. */
const codecIn = <O extends { readonly codec: unknown }>(options: O, part: unknown): O => ({ ...options, codec: (part as O).codec });

/** Creates a signal that subscribes at once, until the injector is destroyed. */
function shownNow<T extends { readonly status: string }>(followed: Followed<T>, initial: T, options: LiveSignalOptions): Signal<T> {
  const shown = signal(followed.found ?? initial);
  inject(DestroyRef).onDestroy(subscriber(options)(followed.states, (state) => shown.set(state)));
  return shown.asReadonly();
}

/**
 * Creates a signal that subscribes in an effect, because inputs have no values when the signal is created. A template
 * may read the signal before the effect runs, so a state is shown only while its source is the current one.
 */
function shownReactively<A, T>(
  argument: () => A | undefined,
  follow: (argument: A) => Followed<ViewState<T>>,
  options: LiveSignalOptions,
): Signal<ViewState<T>> {
  const subscribe = subscriber(options);
  // Signals that the argument depends on may change although the key remains the same. So the argument is read in a
  // separate signal, which changes only with the argument.
  const current = computed(argument);
  const followed = computed((): Followed<ViewState<T>> => {
    try {
      const given = current();
      return given === undefined ? { states: of(LOADING) } : follow(given);
    } catch (error) {
      return { states: of(failed(error)) };
    }
  });
  const shown = signal<{ readonly of: unknown; readonly state: ViewState<T> }>({ of: undefined, state: LOADING });
  effect((onCleanup) => {
    const present = followed();
    onCleanup(untracked(() => subscribe(present.states, (state) => shown.set({ of: present, state }))));
  });
  return computed(() => (shown().of === followed() ? shown().state : (followed().found ?? LOADING)));
}

/**
 * Returns a function that subscribes to a source, and returns a function that unsubscribes. On a server it takes the
 * states up to the first one that is not `loading`. Rendering waits for this state until the timeout.
 */
function subscriber({ serverTimeoutMs = 2_000 }: LiveSignalOptions) {
  const outside = outsideZone();
  const server = inject(PLATFORM_ID, { optional: true }) === 'server' ? inject(PendingTasks) : undefined;
  return <T extends { readonly status: string }>(source: Observable<T>, next: (state: T) => void): (() => void) => {
    const done = server?.add();
    const states =
      done === undefined
        ? source
        : source.pipe(
            takeWhile(({ status }) => status === 'loading', true),
            takeUntil(timer(serverTimeoutMs)),
            finalize(done),
          );
    // eslint-disable-next-line rxjs-x/no-ignored-error -- a failure is a state, and none of these Observables errors
    const subscription = outside(() => states.subscribe(next));
    return () => subscription.unsubscribe();
  };
}

/** Creates the state for an argument that threw an error. */
function failed(error: unknown): ViewState<never> {
  const reported = isEtcdError(error)
    ? error
    : new EtcdError('InvalidArgument', `the argument of a signal could not be determined: ${String(error)}`, { cause: error });
  return { status: 'failed', value: undefined, error: reported };
}
