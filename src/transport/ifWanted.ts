import { Observable } from 'rxjs';

/** What comes next, unless whom it is for unsubscribed while the user's code was asked about it: RxJS would begin it all the same, and then end it. */
export const ifWanted = <T>(next: () => Observable<T>): Observable<T> =>
  new Observable((subscriber) => (subscriber.closed ? undefined : next().subscribe(subscriber)));
