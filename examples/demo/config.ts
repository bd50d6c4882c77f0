import * as t from 'io-ts';
import type { Observable } from 'rxjs';
import type { Client, ConfigUpdate } from 'rxetcd';

/** The prefix of the config: `demo/config/color` is its color. */
export const CONFIG = 'demo/config/';

/** The config of the application. */
export const AppConfig = t.strict({ color: t.string, timeoutMs: t.number, beta: t.boolean }, 'AppConfig');
export type AppConfig = t.TypeOf<typeof AppConfig>;

/** Emits the current config, then each change of it. After a rejection the last valid one is still in force. */
export const configOf = (etcd: Client): Observable<ConfigUpdate<AppConfig>> => etcd.liveConfig(CONFIG, { codec: AppConfig });
