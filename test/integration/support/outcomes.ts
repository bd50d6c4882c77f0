import { isEtcdError, hasReason, type EtcdError, type EtcdErrorOf, type Reason } from 'rxetcd';
import { lastValueFrom, toArray, type Observable } from 'rxjs';

/** Resolves with the only value of an Observable; rejects if there are several or none. */
export async function only<T>(source: Observable<T>): Promise<T> {
  const values = await all(source);
  if (values.length !== 1) throw new Error(`${values.length} values instead of one`);
  return values[0] as T;
}

/** Resolves with all values up to the completion. */
export function all<T>(source: Observable<T>): Promise<T[]> {
  return lastValueFrom(source.pipe(toArray()));
}

/** Resolves with the error of an Observable; it must be an EtcdError, and come before any value. */
export async function failureOf(source: Observable<unknown>): Promise<EtcdError> {
  let values: unknown[];
  try {
    values = await all(source);
  } catch (error) {
    if (isEtcdError(error)) return error;
    throw error;
  }
  throw new Error(`an error was expected, not ${values.length} values and a completion`);
}

/** Resolves with the error of an Observable, which must have this reason. */
export async function failureWith<R extends Reason>(reason: R, source: Observable<unknown>): Promise<EtcdErrorOf<R>> {
  const error = await failureOf(source);
  if (!hasReason(error, reason)) throw new Error(`${reason} was expected, not ${error.reason} (${error.message})`);
  return error;
}
