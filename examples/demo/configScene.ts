import { concat, connect, defer, ignoreElements, map, merge, of, switchMap, timer, type Observable } from 'rxjs';
import type { Client, ConfigUpdate } from 'rxetcd';
import { CONFIG, configOf, type AppConfig } from './config.js';
import type { Line } from './printer.js';
import { promised } from './promised.js';

type Update = ConfigUpdate<AppConfig>;

/** The values that the other client writes, and what the application must make of them. */
interface Step {
  readonly value: { readonly [Field in keyof AppConfig]: unknown };
  readonly promise: string;
  readonly holds: (update: Update) => boolean;
}

const PAUSE_MS = 700;
const FIRST: AppConfig = { color: 'red', timeoutMs: 500, beta: false };

const changed =
  (...paths: readonly string[]) =>
  ({ rejected, changes }: Update): boolean =>
    rejected === undefined && changes.map(({ path }) => path).join() === paths.join();

const STEPS: readonly Step[] = [
  { value: { color: 'blue', timeoutMs: 500, beta: false }, promise: 'a change of color', holds: changed('color') },
  { value: { color: 'blue', timeoutMs: 250, beta: true }, promise: 'a change of beta and timeoutMs', holds: changed('beta', 'timeoutMs') },
  {
    value: { color: 'blue', timeoutMs: 'soon', beta: true },
    promise: 'a rejected timeoutMs',
    holds: ({ rejected }) => rejected !== undefined,
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
          next('the config, loaded', ({ type, rejected }) => type === 'snapshot' && rejected === undefined),
          ...STEPS.map(({ value, promise, holds }) =>
            merge(next(promise, holds), timer(PAUSE_MS).pipe(switchMap(() => store(operator, value)))),
          ),
        );
      }),
    ),
  );
}

/** Writes the keys that differ, in one txn. */
function store(etcd: Client, value: object): Observable<Line> {
  return concat(
    of<Line>({ who: 'operator', text: `writes ${JSON.stringify(value)}` }),
    defer(() => etcd.putConfig(CONFIG, value)).pipe(ignoreElements()),
  );
}

function toLine({ type, revision, config, changes, rejected }: Update): Line {
  if (rejected !== undefined)
    return { who: 'config', text: `rejected ${rejected.failures.join('; ')}`, tone: 'bad', details: [['in force', shown(config)]] };
  if (type === 'snapshot')
    return {
      who: 'config',
      text: `loaded at revision ${revision}`,
      tone: 'good',
      details: Object.entries(config).map(([field, value]) => [field, shown(value)]),
    };
  return {
    who: 'config',
    text: `reloaded at revision ${revision}`,
    tone: 'good',
    details: changes.map(({ path, before, after }) => [path, `${shown(before)} → ${shown(after)}`]),
  };
}

const shown = (value: unknown): string => JSON.stringify(value);
