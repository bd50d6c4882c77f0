import { defer, from, isObservable, of, takeLast, type Observable } from 'rxjs';

/** Something, or what will give it: an Observable (its last value counts) or a Promise. */
export type Outcome<T> = T | PromiseLike<T> | Observable<T>;

/** What a function of the user's gives in the end. */
export function outcomeOf<T>(give: () => Outcome<T>): Observable<T> {
  return defer(() => {
    const given = give();
    if (isStream(given)) return given.pipe(takeLast(1));
    return isPromise(given) ? from(given) : of(given);
  });
}

const isStream = <T>(given: Outcome<T>): given is Observable<T> => isObservable(given);

const isPromise = <T>(given: T | PromiseLike<T>): given is PromiseLike<T> =>
  typeof given === 'object' && given !== null && 'then' in given && typeof given.then === 'function';
