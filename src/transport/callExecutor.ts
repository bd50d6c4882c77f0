import { catchError, forkJoin, map, of, race, switchAll, switchMap, tap, throwError, timer, type Observable } from 'rxjs';
import { AmbiguousWriteError, isEtcdError, type EtcdError } from '../errors/index.js';
import type { Call, Recover } from './call.js';
import type { Endpoint, ServerInfo } from './endpoint.js';
import type { Endpoints } from './endpoints/endpointPool.js';
import { explained, isForLackOfToken } from './lackOfToken.js';
import { ifWanted } from './ifWanted.js';
import { inDoubt, settled } from './deadline.js';
import { verdict, type Verdict } from './retry.js';
import { decided, NO_RETRIES, type RetryPolicy } from './retryPolicy.js';
import { trySend, type Route, type Send } from './route.js';
import { steadyNow } from './steadyNow.js';
import type { Credential, Tokens } from './tokenProvider.js';
import type { TryLimits } from './hedging.js';

const ANONYMOUS: Credential = { token: undefined };
const PAUSE_MS = 50;
const MOST_DOUBLINGS = 6;
/** To 400 ms: an election is over soon. */
const FEW_DOUBLINGS = 3;
const LEAST_TRIES = 4;
/** A cluster that has lost its leader refuses at once, and may need so long until it has another: longer where it has to vote twice, or is busy. */
const ELECTION_MS = 5_000;

/** A call from its first try to its last: picks the endpoint, sees that version and token are known, and does what the table of retries says. */
export class Attempts {
  /** What calls ended in that another try might have helped. */
  private readonly ranOut = new WeakSet<EtcdError>();

  constructor(
    private readonly endpoints: Endpoints,
    private readonly tokens: Tokens,
    private readonly limits: TryLimits,
    private readonly policy: RetryPolicy | undefined,
    /** Fires when the client is closed, so that nobody waits for the next try. */
    private readonly closed: Observable<never>,
  ) {}

  /** Runs a call whose time has come: to be called when it is subscribed to, not before. */
  run<T>(call: Call, send: Send<T>): Observable<T> {
    const pinned = call.options.endpoint;
    return this.at(pinned === undefined ? this.next(call) : this.endpoints.at(pinned), call, send);
  }

  /** Where it waits already it need not be asked again, before it waits everywhere. */
  private next(call: Call): Endpoint {
    const endpoint = this.endpoints.pick(call.silentAt);
    if (call.silentAt?.has(endpoint) === true) call.silentAt = undefined;
    return endpoint;
  }

  private at<T>(endpoint: Endpoint, call: Call, send: Send<T>): Observable<T> {
    // That the last try was sent, and refused, says nothing of this one.
    call.sent = false;
    // A first try goes at once, even to an endpoint that failed a moment ago; the later ones give it time to come back.
    if (call.tries === 0 || endpoint.pausedUntil <= steadyNow()) return this.ifThere(endpoint, call, send);
    return this.afterPause(call, () => this.ifThere(endpoint, call, send), FEW_DOUBLINGS);
  }

  /** An endpoint may be taken from the client while a call waits to be sent there. */
  private ifThere<T>(endpoint: Endpoint, call: Call, send: Send<T>): Observable<T> {
    return this.endpoints.has(endpoint) ? this.attempt(endpoint, call, send) : this.run(call, send);
  }

  private attempt<T>(endpoint: Endpoint, call: Call, send: Send<T>): Observable<T> {
    call.tries += 1;
    // Every call but the first knows both, and goes straight on.
    const info = endpoint.known;
    const credential = call.authenticated ? this.tokens.known : ANONYMOUS;
    if (info !== undefined && credential !== undefined) return this.begin({ endpoint, info, credential }, call, send);
    const { pausedUntil } = endpoint;
    return this.prepare(endpoint, credential, call).pipe(
      map((route) => {
        const fellSilent = pausedUntil === 0 && endpoint.isAside && call.options.endpoint === undefined;
        // Others found that out while this one waited for a token: it was no try.
        if (fellSilent) call.tries -= 1;
        return this.endpoints.has(endpoint) && !fellSilent ? this.begin(route, call, send) : this.run(call, send);
      }),
      // Of the preparation alone: what is sent recovers by itself.
      catchError((failure: unknown) => of(this.recover(failure, endpoint, undefined, call, send))),
      switchAll(),
    );
  }

  private begin<T>(route: Route, call: Call, send: Send<T>): Observable<T> {
    const { endpoint, credential } = route;
    const recover: Recover<T> = (failure) => this.recover(failure, endpoint, credential, call, send);
    if (!this.mayGoElsewhere(call)) return trySend(send, route, recover);
    const go = (recoverOne: Recover<T>): Observable<T> => trySend(send, route, recoverOne);
    return this.limits.watched({ call, endpoint, go, recover, next: () => this.run(call, send) });
  }

  /** Whether a call that ended in this, and may be repeated, had only too little time, or too few tries. */
  mayHelpAgain(failure: EtcdError): boolean {
    return this.ranOut.has(failure) || (failure.reason === 'DeadlineExceeded' && this.policy !== NO_RETRIES);
  }

  /** A way to the next endpoint in turn, for what tries again by itself. */
  route(tries = 1): Observable<Route> {
    const endpoint = this.endpoints.pick();
    return this.prepare(endpoint, this.tokens.known).pipe(
      catchError((error: unknown) => {
        const elsewhere = isEtcdError(error) && verdict(error, 'read', false) === 'elsewhere';
        if (elsewhere || (isEtcdError(error) && error.code === 'Unavailable')) endpoint.failed();
        return elsewhere && tries < this.endpoints.size ? this.route(tries + 1) : throwError(() => error);
      }),
    );
  }

  private prepare(endpoint: Endpoint, credential: Credential | undefined, call?: Call): Observable<Route> {
    return forkJoin({
      endpoint: of(endpoint),
      info: endpoint.known === undefined ? this.discover(endpoint, call) : of(endpoint.known),
      // Authenticating is a call with tries of its own, at whatever endpoint: its failure is final, and no fault of this one.
      credential: credential === undefined ? this.tokens.get().pipe(tap({ error: () => call && (call.final = true) })) : of(credential),
    });
  }

  private discover(endpoint: Endpoint, call: Call | undefined): Observable<ServerInfo> {
    const elsewhere = call === undefined ? this.endpoints.size > 1 : this.mayGoElsewhere(call);
    return elsewhere ? this.limits.question(endpoint, call) : endpoint.discover();
  }

  private recover<T>(error: unknown, endpoint: Endpoint, shown: Credential | undefined, call: Call, send: Send<T>): Observable<T> {
    // A fault of our own or of the caller's project function: not ours to interpret.
    if (!isEtcdError(error) || call.answered || call.final) return throwError(() => error);
    const fail = (failure = error): Observable<T> => throwError(() => settled(call, failure));
    const { safety, sent, tries } = call;
    const found = call.authenticated && isForLackOfToken(error, shown) ? 'reauthenticate' : verdict(error, safety, sent);
    const renewable = this.note(found, error, endpoint, shown);
    // A refusal may be meant for one of those who ask together. The policy is told when each asks by itself, and holds up nobody else.
    const policy = call.joint && found === 'fail' ? undefined : this.policy;
    let decision: ReturnType<typeof decided>;
    try {
      decision = decided(policy, { rpc: call.name, safety, sent, error, tries, verdict: found });
    } catch (fault) {
      // That the function fails does not make it known what became of a write.
      if (isEtcdError(fault)) return found === 'ambiguous' ? throwError(() => new AmbiguousWriteError(fault)) : fail(fault);
      throw fault;
    }
    const next = (): Observable<T> => ifWanted(() => this.run(call, send));
    switch (decision) {
      case 'fail':
      case 'ambiguous':
        return fail();
      case 'again':
        if (this.mayTryAgain(call) || this.mayBeElecting(call)) return this.onceMore(error, call, next);
        this.ranOut.add(error);
        return fail();
      case 'elsewhere':
        return call.options.endpoint === undefined && tries < this.endpoints.size ? next() : fail();
      case 'behind':
        return this.mayTryAgain(call) ? this.inRounds(call, next) : fail();
      case 'tryAgain':
        if (!sent || safety === 'read') return this.inRounds(call, next);
        call.resent = true;
        // Also where no try more is made: the client may be closed, or the token function fail.
        return this.inRounds(call, next).pipe(catchError((last: unknown) => throwError(() => inDoubt(last))));
      case 'reauthenticate':
        if (call.reauthenticated || !renewable) return fail(explained(error, shown));
        call.reauthenticated = true;
        return next();
      case 'rediscover':
        if (call.rediscovered) return fail();
        call.rediscovered = true;
        // Here, where it was refused: the next endpoint may have been upgraded just as unnoticed.
        return ifWanted(() => this.at(endpoint, call, send));
    }
  }

  /** What a failure says of its endpoint and token, whatever becomes of the call. @returns whether another token can be had */
  private note(found: Verdict, { reason }: EtcdError, endpoint: Endpoint, shown: Credential | undefined): boolean {
    const failed = found === 'again' || found === 'elsewhere' || found === 'ambiguous';
    // Who says that the leader changed has another one: nobody can be asked with a better hope.
    if (failed && reason !== 'LeaderChanged') endpoint.failed();
    if (found === 'rediscover') endpoint.forget();
    return found === 'reauthenticate' && shown !== undefined && this.tokens.refused(shown);
  }

  /** Tries of which nothing is heard yet have not failed. */
  private mayTryAgain({ tries, silences }: Call): boolean {
    return tries - silences < Math.max(LEAST_TRIES, this.endpoints.size + 1);
  }

  private mayBeElecting(call: Call): boolean {
    return this.endpoints.size > 1 && call.options.endpoint === undefined && steadyNow() - call.begunAt < ELECTION_MS;
  }

  /** Whether there is anywhere to go if nothing is heard of a try. */
  private mayGoElsewhere(call: Call): boolean {
    return this.policy !== NO_RETRIES && this.endpoints.size > 1 && call.options.endpoint === undefined;
  }

  /** Of an endpoint that failed the next try knows itself how long it is to wait; one that did not would be asked without a pause. */
  private onceMore<T>({ reason }: EtcdError, call: Call, next: () => Observable<T>): Observable<T> {
    return reason === 'LeaderChanged' ? this.inRounds(call, next, FEW_DOUBLINGS) : next();
  }

  /** Each endpoint is asked at once the first time; from then on they are given time. */
  private inRounds<T>(call: Call, next: () => Observable<T>, doublings?: number): Observable<T> {
    const round = call.options.endpoint === undefined ? this.endpoints.size : 1;
    return call.tries < round ? next() : this.afterPause(call, next, doublings);
  }

  private afterPause<T>(call: Call, next: () => Observable<T>, doublings = MOST_DOUBLINGS): Observable<T> {
    const jitter = 0.5 + Math.random();
    return race(timer(PAUSE_MS * 2 ** Math.min(call.tries, doublings) * jitter), this.closed).pipe(switchMap(next));
  }
}
