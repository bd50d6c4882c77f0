import { filter, type MonoTypeOperatorFunction } from 'rxjs';
import { checkArgument, type OptionKind } from '../src/model/validate.js';
import type { WatchEvent } from '../src/model/events.js';

/**
 * A condition on keys: one key as text, a prefix, a RegExp that matches from the start, or a function that returns
 * true.
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
 * A RegExp has to match from the first character of the key, as in etcd3-py (Python's `re.match`): `/a/` matches `a/1`
 * and not `b/a`. To require a match up to the end of the key, add `$`. The flags `g` and `y` have no effect, and the
 * RegExp is not modified.
 *
 * Keys are matched as text. For keys that are not UTF-8, pass a function that checks `event.kv.keyBytes`.
 *
 * The operator filters at the client, so the server still sends all events of the watch. To receive one key or prefix,
 * watch only that key or prefix. Use this operator for conditions that a range cannot express, or to split one shared
 * watch into several streams.
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
    // The RegExp is copied, so that no other code changes its `lastIndex`. With the flag `y` (sticky), it matches only
    // at `lastIndex`.
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
