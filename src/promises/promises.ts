import { isObservable, map, Observable, Subject, take } from 'rxjs';
import { toAsyncIterable } from '../../operators/toAsyncIterable.js';
import { EtcdError } from '../errors/index.js';
import type { LockHandle, LockOptions } from '../concurrency/lock/lock.js';
import { checkArgument, FUNCTION, isObject, SIGNAL } from '../model/validate.js';
import type { PagesOptions } from '../services/internal/pages.js';
import { clientClosed, onAbort } from '../util/rx.js';
import { type Held, hold } from './hold.js';
import { joinPath, kindOf, type Promises, type PromisesExtras, type WithLockPromiseOptions } from './types.js';

/** The methods and other members of an object. */
type Methods = Readonly<Record<string, unknown>>;

/** The part of a client that is needed to create its promises. */
interface LocksOnly {
  lock(name: string, options?: LockOptions): Observable<LockHandle>;
}

/**
 * Adds the property `promises` to a client or a namespace. The value is created on first access, so that programs which
 * do not use it pay nothing for it.
 */
export function addPromises<A extends LocksOnly>(api: A): A & { readonly promises: Promises<A> } {
  let promises: Promises<A> | undefined;
  // The property is not enumerable, because the code of a client spreads the members of its namespace.
  return Object.defineProperty(api, 'promises', { get: () => (promises ??= promisesOf(api, undefined)) }) as A & {
    readonly promises: Promises<A>;
  };
}

function promisesOf<A extends LocksOnly>(api: A, signal: AbortSignal | undefined): Promises<A> {
  const extras: PromisesExtras<A> = {
    withSignal: (given) => {
      checkArgument('withSignal', 'signal', given, SIGNAL);
      return promisesOf(api, signal === undefined ? given : AbortSignal.any([signal, given]));
    },
    withLock: (name, work, options) => withLock(api, name, work, options, signal),
  };
  return viewOf(api, '', { signal, extras: { ...extras } }) as Promises<A>;
}

/** The settings of a view, and of all views in it. */
interface ViewContext {
  /** The signal that ends all calls. */
  readonly signal: AbortSignal | undefined;
  /** The members that only the outermost view has. The client does not have them. */
  readonly extras?: Methods;
}

/**
 * Creates a view of an object, or of a function with members. In the view, Observables are promises or async iterables.
 */
function viewOf(api: object, path: string, context: ViewContext): object {
  const known = new Map<string | symbol, { readonly member: unknown; readonly view: unknown }>();
  return new Proxy(api, {
    get: (target, name) => {
      const extra = context.extras?.[String(name)];
      if (extra !== undefined) return extra;
      const member: unknown = Reflect.get(target, name);
      if (typeof name === 'symbol') return member;
      const before = known.get(name);
      if (before !== undefined && before.member === member) return before.view;
      const view = memberOf(target, member, joinPath(path, name), { signal: context.signal });
      known.set(name, { member, view });
      return view;
    },
  });
}

function memberOf(owner: object, member: unknown, path: string, context: ViewContext): unknown {
  if (isObservable(member)) return toAsyncIterable(untilAborted(member, context.signal));
  if (typeof member !== 'function') return hasMethods(member) ? viewOf(member, path, context) : member;
  // A member may be a method and also have methods, as `lease` does.
  const call = (...args: readonly unknown[]): unknown => {
    if (kindOf(path) === 'pages') return pagesOf((given) => Reflect.apply(member, owner, given) as Observable<unknown>, args, context);
    const given = path === 'stm' ? args.map((arg) => bodyOf(arg, context)) : args;
    return converted(Reflect.apply(member, owner, given), path, context);
  };
  return Object.keys(member).length === 0 ? call : Object.assign(call, viewOfMembers(member, path, context));
}

/** Wraps the members of a function. */
const viewOfMembers = (member: object, path: string, context: ViewContext): object =>
  Object.fromEntries(Object.entries(member).map(([name, value]) => [name, memberOf(member, value, joinPath(path, name), context)]));

/** Converts the result of a method. */
function converted(result: unknown, path: string, context: ViewContext): unknown {
  if (isObservable(result)) {
    const kind = kindOf(path);
    if (kind === 'held') return holdView(result, context);
    const source = untilAborted(result, context.signal);
    return kind === undefined ? firstOf(source) : toAsyncIterable(source);
  }
  if (path === 'namespace') return promisesOf(result as LocksOnly, context.signal);
  return hasMethods(result) ? viewOf(result, path, context) : result;
}

/** Returns whether a value has methods or streams, as an election has. */
const hasMethods = (value: unknown): value is object =>
  isObject(value) && Object.values(value).some((member) => typeof member === 'function' || isObservable(member));

function holdView(source: Observable<unknown>, { signal }: ViewContext): Promise<Held<unknown>> {
  // The value may have methods, like a leadership or the lease of an event. The signal ends only the wait for the
  // value, and not calls of these methods.
  const view = (value: unknown): unknown => (isObject(value) ? viewOf(value, 'held', { signal: undefined }) : value);
  return hold(source.pipe(map(view)), signal === undefined ? {} : { signal });
}

/** Reads pages on demand. Each page is requested when the consumer calls `next`. */
function pagesOf(read: (args: readonly unknown[]) => Observable<unknown>, args: readonly unknown[], context: ViewContext): unknown {
  return {
    [Symbol.asyncIterator]: () => {
      const wanted = new Subject<void>();
      const [range, options] = args as readonly [unknown, PagesOptions | undefined];
      const source = read([range, { ...options, consume: () => wanted.pipe(take(1)) }]);
      const pages = toAsyncIterable(untilAborted(source, context.signal))[Symbol.asyncIterator]();
      return {
        next: () => {
          const page = pages.next();
          wanted.next();
          return page;
        },
        return: () => pages.return?.(),
      };
    },
  };
}

/** Wraps the body of a transaction, so that its reads return promises. */
function bodyOf(arg: unknown, context: ViewContext): unknown {
  return typeof arg === 'function' ? (tx: object): unknown => Reflect.apply(arg, undefined, [viewOf(tx, 'tx', context)]) : arg;
}

async function withLock<R>(
  api: LocksOnly,
  name: string,
  work: (ownership: LockHandle, signal: AbortSignal) => R | PromiseLike<R>,
  given: WithLockPromiseOptions = {},
  outer: AbortSignal | undefined,
): Promise<R> {
  checkArgument('withLock', 'work', work, FUNCTION);
  const { signal, ...options } = given;
  if (signal !== undefined) checkArgument('withLock', 'signal', signal, SIGNAL);
  const signals = [outer, signal].filter((one) => one !== undefined);
  const held = await hold(api.lock(name, options), signals.length === 0 ? {} : { signal: AbortSignal.any(signals) });
  try {
    return await Promise.race([work(held.value, AbortSignal.any([held.signal, ...signals])), held.lost]);
  } finally {
    const released = held.release().catch(() => undefined);
    // A loss is reported at once, without waiting for the release.
    if (!held.signal.aborted) await released;
  }
}

/** Resolves with the first value. */
function firstOf<T>(source: Observable<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    source.pipe(take(1)).subscribe({ next: resolve, error: reject, complete: () => reject(clientClosed()) });
  });
}

/** Errors with `Aborted` when the signal aborts. */
function untilAborted<T>(source: Observable<T>, signal: AbortSignal | undefined): Observable<T> {
  if (signal === undefined) return source;
  return new Observable((subscriber) => {
    const abort = (): void => subscriber.error(new EtcdError('Aborted', 'the call was ended: its signal was aborted'));
    if (signal.aborted) return abort();
    subscriber.add(onAbort(signal, abort));
    subscriber.add(source.subscribe(subscriber));
  });
}
