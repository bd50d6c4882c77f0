import { concat, connect, defer, ignoreElements, map, merge, of, switchMap, timer, type Observable } from 'rxjs';
import type { Client } from 'rxetcd';
import { CONFIG_KEY, configOf, type AppConfig, type ConfigUpdate } from './config.js';
import type { Line } from './printer.js';
import { promised } from './promised.js';

/** The values that the other client writes, and what the application must make of them. */
interface Step {
  readonly value: { readonly [Field in keyof AppConfig]: unknown };
  readonly promise: string;
  readonly holds: (update: ConfigUpdate) => boolean;
}

const PAUSE_MS = 700;
const FIRST: AppConfig = { color: 'red', timeoutMs: 500, beta: false };

const changed =
  (...fields: readonly string[]) =>
  (update: ConfigUpdate): boolean =>
    update.type === 'changed' && update.changes.map(({ field }) => field).join() === fields.join();

const STEPS: readonly Step[] = [
  { value: { color: 'blue', timeoutMs: 500, beta: false }, promise: 'a change of color', holds: changed('color') },
  { value: { color: 'blue', timeoutMs: 250, beta: true }, promise: 'a change of timeoutMs and beta', holds: changed('timeoutMs', 'beta') },
  {
    value: { color: 'blue', timeoutMs: 'soon', beta: true },
    promise: 'a rejected timeoutMs',
    holds: (update) => update.type === 'rejected',
  },
  { value: { color: 'green', timeoutMs: 250, beta: true }, promise: 'a change of color after the bad value', holds: changed('color') },
];

/** Shows a config that is loaded, changed by another client, and survives a bad value. */
export function configScene(app: Client, operator: Client): Observable<Line> {
  return concat(
    store(operator, FIRST),
    configOf(app).pipe(
      // One subscription to the config for the whole scene; each step takes the next update of it.
      connect((updates) => {
        const next = (promise: string, holds: Step['holds']): Observable<Line> => updates.pipe(promised(promise, holds), map(toLine));
        return concat(
          next('the config, loaded', ({ type }) => type === 'loaded'),
          ...STEPS.map(({ value, promise, holds }) =>
            merge(next(promise, holds), timer(PAUSE_MS).pipe(switchMap(() => store(operator, value)))),
          ),
        );
      }),
    ),
  );
}

function store(etcd: Client, value: object): Observable<Line> {
  const json = JSON.stringify(value);
  return concat(of<Line>({ who: 'operator', text: `puts ${json}` }), defer(() => etcd.kv.put(CONFIG_KEY, json)).pipe(ignoreElements()));
}

function toLine(update: ConfigUpdate): Line {
  switch (update.type) {
    case 'loaded':
      return {
        who: 'config',
        text: `loaded at revision ${update.revision}`,
        tone: 'good',
        details: Object.entries(update.config).map(([field, value]) => [field, shown(value)]),
      };
    case 'changed':
      return {
        who: 'config',
        text: `reloaded at revision ${update.revision}`,
        tone: 'good',
        details: update.changes.map(({ field, from, to }) => [field, `${shown(from)} → ${shown(to)}`]),
      };
    case 'rejected':
      return {
        who: 'config',
        text: `rejected ${update.error.key}: ${update.error.failures.join('; ')}`,
        tone: 'bad',
        details: [['in force', shown(update.config)]],
      };
  }
}

const shown = (value: unknown): string => JSON.stringify(value);
