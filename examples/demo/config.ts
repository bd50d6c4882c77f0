import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { mergeMap, scan, type Observable } from 'rxjs';
import type { Client, InvalidValueError } from 'rxetcd';
import { tryDecode, type Decoded } from 'rxetcd/operators';
import { changesBetween, type Change } from './changes.js';

export const CONFIG_KEY = 'demo/config';

/** The config of the application. */
export const AppConfig = t.strict({ color: t.string, timeoutMs: t.number, beta: t.boolean }, 'AppConfig');
export type AppConfig = t.TypeOf<typeof AppConfig>;

/** The result of reading a stored value. `config` is the one in force: after a rejection, still the last good one. */
export type ConfigUpdate =
  | { readonly type: 'loaded'; readonly config: AppConfig; readonly revision: number }
  | { readonly type: 'changed'; readonly config: AppConfig; readonly revision: number; readonly changes: readonly Change[] }
  | { readonly type: 'rejected'; readonly config: AppConfig | undefined; readonly error: InvalidValueError };

/** Before there is anything. */
interface Start {
  readonly config: undefined;
}

type Stored = E.Either<InvalidValueError, Decoded<AppConfig>>;

/** Emits the current config, then each change of it. */
export function configOf(etcd: Client): Observable<ConfigUpdate> {
  return etcd.live(CONFIG_KEY).pipe(
    mergeMap(({ state }) => state.values()),
    tryDecode(AppConfig),
    scan<Stored, ConfigUpdate, Start>(nextUpdate, { config: undefined }),
  );
}

function nextUpdate({ config }: ConfigUpdate | Start, stored: Stored): ConfigUpdate {
  if (E.isLeft(stored)) return { type: 'rejected', config, error: stored.left };
  const { value, revision } = stored.right;
  if (config === undefined) return { type: 'loaded', config: value, revision };
  return { type: 'changed', config: value, revision, changes: changesBetween(config, value) };
}
