import type { Observable } from 'rxjs';
import type { Recover } from './call.js';
import type { Endpoint, ServerInfo } from './endpoint.js';
import type { Credential } from './tokenProvider.js';

/** Where a try goes, and what it shows there. */
export interface Route {
  readonly endpoint: Endpoint;
  readonly info: ServerInfo;
  readonly credential: Credential;
}

/** Sends a call along a route. Its failures are its own to recover. */
export type Send<T> = (route: Route, recover: Recover<T>) => Observable<T>;

/** What cannot even be begun is recovered from, too. */
export function trySend<T>(send: Send<T>, route: Route, recover: Recover<T>): Observable<T> {
  try {
    return send(route, recover);
  } catch (error) {
    return recover(error);
  }
}
