import { catchError, defer, map, Subject, tap, type Observable, throwError } from 'rxjs';
import { authRpcs } from '../codec/auth.js';
import type { Rpc } from '../codec/rpc.js';
import { EtcdError } from '../errors/index.js';
import { answerIn, decode } from './answers.js';
import { Attempts } from './callExecutor.js';
import { begin, oldestOf, timeoutOf } from './beginning.js';
import { newCall, NO_OPTIONS, type Caller, type CallOptions, type PlainAnswer, type ReadCallOptions, type Recover } from './call.js';
import { CarrierChoice, type Carrier } from './streams/carrierSelector.js';
import { channelAlong } from './streams/channel.js';
import { checkServer, discoverServer, lostAfter } from './endpoints/versionProbe.js';
import { Endpoints } from './endpoints/endpointPool.js';
import type { Endpoint } from './endpoint.js';
import { hedged } from './hedged.js';
import { Limits } from './deadline.js';
import { memberQuestions } from './memberQuestions.js';
import { MemberSearch } from './endpoints/memberDiscovery.js';
import { messagesOf } from './messagesOf.js';
import { refuseNewer } from './newer.js';
import { Requests } from './requests.js';
import { NO_RETRIES, type RetryPolicy } from './retryPolicy.js';
import { Revisions } from './revisions.js';
import type { Route } from './route.js';
import { Tokens, type Auth } from './tokenProvider.js';
import type { HttpResponse, Transport } from './http/transport.js';
import { TryLimits } from './hedging.js';

/** What a caller has to know. */
export interface CallerSettings {
  readonly endpoints: readonly string[];
  readonly auth: Auth | undefined;
  readonly apiPrefix: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly requestTimeoutMs: number;
  readonly maxResponseBytes: number;
  readonly tryTimeoutMs: number;
  /** How often members are looked for; undefined where the endpoints are those that are given. */
  readonly discovery: { readonly intervalMs: number } | undefined;
  /** What is done about a try that failed, where it is not the table's say. */
  readonly retry: RetryPolicy | undefined;
  readonly streams: { readonly carrier: Carrier | 'auto' };
}

/** A caller and its end. */
export interface ClosableCaller extends Caller {
  /** The addresses that it uses. */
  endpoints(): readonly string[];
  /** Uses these from now on. Calls that are under way elsewhere finish; streams move. */
  setEndpoints(origins: readonly string[]): void;
  /** Ends every call and closes every socket. */
  close(): Promise<void>;
}

/**
 * Every call of a client over one transport: encoded, sent to an endpoint with the prefix of its version and the token of the client, decoded,
 * and tried again where that is harmless.
 */
export function createCaller(transport: Transport, settings: CallerSettings): ClosableCaller {
  const closed = new Subject<never>();
  const requests = new Requests(settings.headers);
  const tries: TryLimits = new TryLimits(settings.tryTimeoutMs, () => endpoints.size - 1);
  const endpoints = new Endpoints(
    settings.endpoints,
    {
      discover: (origin) => discoverServer(versionOf(origin), origin, settings.apiPrefix),
      check: (origin) => tries.check(checkServer(plainGet(HEALTH, origin), origin), origin),
    },
    () => search?.whenDue(endpoints),
  );
  const release = (gone: readonly Endpoint[]): void => gone.forEach(({ origin }) => transport.release(origin));
  const search =
    settings.discovery &&
    new MemberSearch(
      memberQuestions((...call) => unary(...call), { endpoints, release: (origin) => transport.release(origin) }),
      settings.discovery.intervalMs,
      (origins) => release(endpoints.find(origins)),
    );
  // A member that has lost its leader, and that it has, says nothing: all calls would wait until it is given up.
  const asked = <T>(run: () => Observable<T>): Observable<T> =>
    endpoints.size > 1 && settings.retry !== NO_RETRIES ? hedged(run, settings.tryTimeoutMs / 2) : run();
  const tokens = new Tokens(settings.auth, {
    ask: (name, password) => asked(() => unary(authRpcs.authenticate, { name, password })).pipe(map(({ token }) => token)),
    goesOn: (failure) => attempts.mayHelpAgain(failure),
    closed,
  });
  const { requestTimeoutMs } = settings;
  const revisions = new Revisions();
  const carriers = new CarrierChoice(settings.streams.carrier);
  const limits = new Limits(requestTimeoutMs, () => tokens.trouble);
  const attempts: Attempts = new Attempts(endpoints, tokens, tries, settings.retry, closed);
  const means = { transport, tokens, carriers, revisions, headers: settings.headers, elsewhere: () => endpoints.size > 1 };

  function unary<In, A>(rpc: Rpc<In, A>, request: In, options: ReadCallOptions = NO_OPTIONS): Observable<A> {
    return limits.limited(() => {
      const { body, call } = begin(rpc, request, options);
      const notBefore = oldestOf(rpc, options, revisions.newest);
      const send = (route: Route, recover: Recover<A>): Observable<A> => {
        refuseNewer(rpc, request, route);
        const read = (response: HttpResponse): A => {
          const where = { rpc: rpc.name, endpoint: route.endpoint.origin };
          const answered = answerIn(response, where);
          revisions.take(answered, notBefore, where);
          const answer = decode(rpc.response, answered, where);
          route.endpoint.succeeded();
          return answer;
        };
        return transport.exchange(requests.post(rpc, body, route, call), { read, recover });
      };
      return {
        call,
        timeoutMs: timeoutOf(options, rpc.unbounded === true ? Infinity : requestTimeoutMs),
        run: () => attempts.run(call, send),
      };
    });
  }

  function stream<In, A>(rpc: Rpc<In, A>, request: In, options: CallOptions = {}): Observable<A> {
    return limits.limited(() => {
      // How long it takes until there is something to say is up to the store.
      const { body, call } = begin({ ...rpc, unbounded: true }, request, options);
      const send = (route: Route, recover: Recover<A>): Observable<A> => {
        refuseNewer(rpc, request, route);
        const where = { rpc: rpc.name, endpoint: route.endpoint.origin };
        const reading = { codec: rpc.response, maxBytes: settings.maxResponseBytes, where };
        return messagesOf(transport.stream(requests.post(rpc, body, route, call)), reading).pipe(
          tap((answer) => {
            revisions.take(answer, 0, where);
            if (!call.answered) route.endpoint.succeeded();
            call.answered = true;
          }),
          catchError(recover),
        );
      };
      return {
        call,
        timeoutMs: timeoutOf(options, rpc.bounded === true ? requestTimeoutMs : Infinity),
        run: () => attempts.run(call, send),
      };
    });
  }

  function get(path: string, options: CallOptions = {}): Observable<PlainAnswer> {
    return limits.limited(() => {
      const call = newCall({ name: `GET ${path}`, safety: 'read', anonymous: true }, options);
      const send = ({ endpoint }: Route, recover: Recover<PlainAnswer>): Observable<PlainAnswer> =>
        transport.exchange(requests.getAlong(path, endpoint, call), {
          read: (response) => ({ ...response, endpoint: endpoint.origin }),
          recover,
        });
      return { call, timeoutMs: timeoutOf(options, requestTimeoutMs), run: () => attempts.run(call, send) };
    });
  }

  function plainGet(path: string, origin: string): Observable<HttpResponse> {
    return transport.exchange(requests.get(path, origin), { read: (response) => response, recover: rethrow });
  }

  function versionOf(origin: string): Observable<HttpResponse> {
    return lostAfter(requestTimeoutMs, plainGet('/version', origin), { rpc: 'GET /version', endpoint: origin });
  }

  return {
    unary,
    stream,
    get,
    channel: (rpc) => defer(() => attempts.route()).pipe(map((route) => channelAlong(route, rpc, means))),
    endpoints: () => endpoints.origins,
    setEndpoints: (origins) => {
      search?.restart();
      release(endpoints.give(origins));
    },
    close: async () => {
      closed.error(new EtcdError('ClientClosed', 'the client is closed'));
      await transport.close();
    },
  };
}

/** That the store is full is no reason not to read. */
const HEALTH = '/health?exclude=NOSPACE';

const rethrow = (failure: unknown): Observable<never> => throwError(() => failure);
