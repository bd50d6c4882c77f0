import { filter, type MonoTypeOperatorFunction } from 'rxjs';
import { checkArgument, type OptionKind } from '../src/model/validate.js';
import type { WatchEvent } from '../src/model/watchEvent.js';

/**
 * Which keys: one by its text; those that begin alike; those that a RegExp matches from their start; those that a function says yes to.
 */
export type KeyMatcher<E extends WatchEvent = WatchEvent> =
  string | { readonly prefix: string } | RegExp | ((key: string, event: E) => boolean);

/**
 * Passes the events of the keys that match.
 *
 * ```text
 * source:  --P(a/1)--P(b/1)--D(a/1)--|
 *          matchKey({ prefix: 'a/' })
 * result:  --P(a/1)----------D(a/1)--|
 * ```
 *
 * A RegExp has to match from the first character of the key, as in etcd3-py (Python's `re.match`): `/a/` matches `a/1` and not `b/a`. It
 * need not reach the end: add `$` for that. The flags `g` and `y` make no difference, and the RegExp you give is never changed.
 *
 * Matching is by the key's text. For keys that are not UTF-8, give a function and look at `event.kv.keyBytes`.
 *
 * The server sends what the watch asked for, matched or not: for a key or a prefix alone, watch just that. This operator is for what a
 * range cannot say, or to part one shared watch into several streams.
 *
 * ## Example
 *
 * Two streams out of one watch
 *
 * ```ts
 * const app$ = etcd.watch({ prefix: 'app/' });
 * app$.pipe(matchKey('app/color')).subscribe(({ kv }) => console.log('color', kv.value));
 * app$.pipe(matchKey(/app\/users\/\d+$/)).subscribe(({ kv }) => console.log('user', kv.value));
 *
 * // etcdctl put app/color red
 * // etcdctl put app/users/7 Ann
 * // etcdctl put app/users/7/email ann@example.org
 * // Logs:
 * // color red
 * // user Ann
 * ```
 *
 * @see {@link ofType}
 *
 * @param matcher A key, `{ prefix }`, a RegExp, or a function of the key's text and the event.
 * @return A function that returns an Observable of the events whose keys match.
 */
export function matchKey<E extends WatchEvent>(matcher: KeyMatcher<E>): MonoTypeOperatorFunction<E> {
  checkArgument('matchKey', 'matcher', matcher, MATCHER);
  const matches = predicateOf(matcher);
  return filter((event) => matches(event.kv.key, event));
}

function predicateOf<E extends WatchEvent>(matcher: KeyMatcher<E>): (key: string, event: E) => boolean {
  if (typeof matcher === 'function') return matcher;
  if (typeof matcher === 'string') return (key) => key === matcher;
  if (isRegExp(matcher)) {
    // A copy, so that nobody else moves its lastIndex. Sticky means: match at lastIndex or not at all.
    const atStart = new RegExp(matcher.source, matcher.flags.replace(/[gy]/g, '') + 'y');
    return (key) => {
      atStart.lastIndex = 0;
      return atStart.test(key);
    };
  }
  const { prefix } = matcher;
  return (key) => key.startsWith(prefix);
}

const MATCHER: OptionKind = {
  what: 'a string, { prefix: string }, a RegExp or a function',
  is: (given) => typeof given === 'string' || typeof given === 'function' || isRegExp(given) || isPrefix(given),
};

const isRegExp = (given: unknown): given is RegExp => Object.prototype.toString.call(given) === '[object RegExp]';

const isPrefix = (given: unknown): boolean =>
  typeof given === 'object' && given !== null && 'prefix' in given && typeof given.prefix === 'string' && Object.keys(given).length === 1;
