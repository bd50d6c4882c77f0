import { isEtcdError, hasReason, type EtcdError, type EtcdErrorOf, type Reason } from 'rxetcd';
import { lastValueFrom, toArray, type Observable } from 'rxjs';

/** The one value of an Observable that emits one and completes; anything else is an error. */
export async function only<T>(source: Observable<T>): Promise<T> {
  const values = await all(source);
  if (values.length !== 1) throw new Error(`${values.length} values instead of one`);
  return values[0] as T;
}

/** All values up to the completion. */
export function all<T>(source: Observable<T>): Promise<T[]> {
  return lastValueFrom(source.pipe(toArray()));
}

/** The error that an Observable ends in; it must be one of rxetcd, and come before any value. */
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

/** The error that an Observable ends in, which must have this reason. */
export async function failureWith<R extends Reason>(reason: R, source: Observable<unknown>): Promise<EtcdErrorOf<R>> {
  const error = await failureOf(source);
  if (!hasReason(error, reason)) throw new Error(`${reason} was expected, not ${error.reason} (${error.message})`);
  return error;
}
