import { defer, map, of, switchMap, type Observable } from 'rxjs';
import { EtcdError } from '../../errors/index.js';
import type { KeyValue } from '../../model/keyValue.js';
import { del, key, put, type Op } from '../../model/op.js';
import { checkOptions, invalidArgument, isObject, jsonOf, STRING, WHOLE, type OptionKinds } from '../../model/validate.js';
import type { KvService } from '../../services/kv.js';
import { layersOf } from './liveConfig.js';

/** Options for writing a config. */
export interface PutConfigOptions {
  /** The separator between the names in a key. The default is `/`. */
  readonly separator?: string;
  /**
   * The revision of the config on which the new one is based, such as the `revision` of an update of `liveConfig`. The
   * Observable errors with `Conflict` if a key below the prefix was changed after this revision. By default, it is the
   * revision at which `putConfig` reads the keys.
   */
  readonly revision?: number;
}

/** A config that was written. */
export interface PutConfigResult {
  /** The revision of the store with the written config. */
  readonly revision: number;
  /** The keys that were written. */
  readonly puts: readonly string[];
  /** The keys that were deleted. */
  readonly deletes: readonly string[];
}

const PUT_CONFIG: OptionKinds<PutConfigOptions> = { separator: STRING, revision: WHOLE };

/** Writes the difference between a config and the keys below a prefix, in one txn. */
export function putConfig(kv: KvService, prefix: string, config: object, options: PutConfigOptions = {}): Observable<PutConfigResult> {
  return defer(() => {
    const { separator = '/', revision: basis } = checkOptions('putConfig', options, PUT_CONFIG);
    layersOf('putConfig', prefix);
    const given: unknown = config;
    if (!isObject(given)) throw invalidArgument('config of putConfig', 'an object', given);
    const wanted = new Map(leavesOf(given, separator, prefix));
    return kv.range({ prefix }, basis === undefined ? {} : { revision: basis }).pipe(
      switchMap(({ header, kvs }) => {
        const revision = basis ?? header.revision;
        const puts = [...wanted].filter(([name, value]) => kvs.find((each) => each.key === name)?.value !== value);
        const deletes = kvs.filter((each) => !wanted.has(each.key));
        if (basis === undefined && puts.length === 0 && deletes.length === 0) return of({ revision, puts: [], deletes: [] });
        const success: Op[] = [...puts.map(([name, value]) => put(name, value)), ...deletes.map((each) => del(each.key))];
        return kv.txn({ compare: unchanged(prefix, kvs, revision), success }).pipe(
          map((written) => {
            if (!written.succeeded)
              throw new EtcdError(
                'Conflict',
                `putConfig failed: a key below ${prefix} was changed after revision ${revision}; read it again`,
              );
            return { revision: written.header.revision, puts: puts.map(([name]) => name), deletes: deletes.map((each) => each.key) };
          }),
        );
      }),
    );
  });
}

/** Returns compares that fail if a key below the prefix was written, created or deleted after the revision. */
const unchanged = (prefix: string, kvs: readonly KeyValue[], revision: number) => [
  key({ prefix }).modRevision.less(revision + 1),
  ...kvs.map((kv) => key(kv.key).modRevision.equals(kv.modRevision)),
];

/**
 * Returns the keys of a config with their values. An empty object or list below the config has no names, so it is
 * written as one value.
 */
function leavesOf(value: unknown, separator: string, prefix: string, path: readonly string[] = []): [string, string][] {
  const inside = Array.isArray(value) || isObject(value) ? Object.entries(value).filter(([, each]) => each !== undefined) : [];
  if (inside.length > 0 || path.length === 0)
    return inside.flatMap(([name, each]) => {
      if (name === '' || name.includes(separator)) throw invalidArgument('config of putConfig', `names without ${separator}`, name);
      return leavesOf(each, separator, prefix, [...path, name]);
    });
  return [[prefix + path.join(separator), typeof value === 'string' ? value : jsonOf('config of putConfig', value)]];
}
