import type { Observable } from 'rxjs';
import type { Rpc, Safety } from '../codec/rpc.js';
import type { EtcdError } from '../errors/index.js';
import { BOOLEAN, checkOptions, MILLISECONDS, SIGNAL, STRING, type OptionKinds } from '../model/validate.js';
import type { Carrier } from './streams/carrierSelector.js';
import type { Endpoint } from './endpoint.js';
import { steadyNow } from './steadyNow.js';
import type { DuplexPart, HttpResponse } from './http/transport.js';
import type { ServerVersion } from './endpoints/version.js';

/** What every call takes besides its request. */
export interface CallOptions {
  /**
   * How long the whole call may take, tries and waiting included, in milliseconds; `Infinity` for as long as it takes. By default the client's `requestTimeoutMs`, and
   * no limit where an RPC may rightly take long (the lock service, a snapshot). A read ends in `DeadlineExceeded`, a write that was sent in `AmbiguousWrite`.
   */
  readonly timeoutMs?: number;
  /** Ends the call with `Aborted`, as unsubscribing would without a word. */
  readonly signal?: AbortSignal;
  /** Asks this endpoint and no other: one of the client's, as it was given. */
  readonly endpoint?: string;
}

/** What a read takes besides its request. */
export interface ReadCallOptions extends CallOptions {
  /**
   * Never goes back in time: an answer of a store older than the newest that this client had seen in any answer when it asked is not given out, and another member is asked.
   * For `serializable` reads above all, which a member that lags behind answers as of then. `StaleRead` where none is far enough after all tries.
   */
  readonly monotonic?: boolean;
}

export const CALL: OptionKinds<CallOptions> = {
  timeoutMs: MILLISECONDS,
  signal: SIGNAL,
  endpoint: STRING,
};
export const READ_CALL: OptionKinds<ReadCallOptions> = { ...CALL, monotonic: BOOLEAN };

/** What a server says beside the gateway, unread. */
export interface PlainAnswer extends HttpResponse {
  readonly endpoint: string;
}

/** How services reach the server: the one thing they need of the transport. */
export interface Caller {
  /** One request, one answer. Cold: a subscription is a call. */
  unary<In, A>(rpc: Rpc<In, A>, request: In, options?: ReadCallOptions): Observable<A>;
  /** One request, answers as they come. Tried again only as long as nothing has come. */
  stream<In, A>(rpc: Rpc<In, A>, request: In, options?: CallOptions): Observable<A>;
  /** A way to the next endpoint in turn, with the carrier that works there. One try: whoever wants more tries again. */
  channel(rpc: Rpc<never, unknown>): Observable<Channel>;
  /** A plain GET beside the gateway: `/version`, `/health`, `/metrics`. */
  get(path: string, options?: CallOptions): Observable<PlainAnswer>;
}

/** A way to a server for a stream both ways. Whoever uses it says how it went, so that the next choice is a better one. */
export interface Channel {
  readonly carrier: Carrier;
  readonly endpoint: string;
  readonly version: ServerVersion | undefined;
  /** Errors when the endpoint is taken from the client. So does the stream. */
  readonly removed: Observable<never>;
  /** The stream; undefined where the carrier is `chunked`, and each request is a {@link Caller.stream} of its own. */
  readonly duplex: Observable<DuplexPart> | undefined;
  /** The server has answered. */
  answered(): void;
  /** It broke, or could not be made. @returns false where another try cannot end otherwise: the same token, the same carrier */
  failed(error: EtcdError): boolean;
  /** Whether the token that it shows has been replaced. */
  readonly outdated?: () => boolean;
}

/** The state of one subscription to a call. */
export interface Call {
  readonly name: string;
  readonly safety: Safety;
  readonly options: CallOptions;
  /** Needs a token. */
  readonly authenticated: boolean;
  /** May rightly hear nothing for long, once it is sent. */
  readonly patient: boolean;
  /** Several wait for it, and ask each by itself where it is refused. */
  readonly joint: boolean;
  /** When its first try was made. */
  readonly begunAt: number;
  /** The try under way has left this machine. */
  sent: boolean;
  /** When something was last heard of the try under way, or when it began. */
  heardAt: number;
  /** Tries of which nothing was heard in time. */
  silences: number;
  /** Where it waits for an answer beside the try under way. */
  silentAt: Set<Endpoint> | undefined;
  /** Begins the next try beside that under way, before its time. */
  overtake: (() => void) | undefined;
  /** Questions for the version that were: a member that is slow with an answer is quick with that. */
  mutes: number;
  /** An answer has come: a stream cannot begin again unnoticed. */
  answered: boolean;
  /** No further try can help. */
  final: boolean;
  /** A write that was sent has been sent again, as the user wants it: whatever comes of that, the first may have been carried out. */
  resent: boolean;
  tries: number;
  reauthenticated: boolean;
  rediscovered: boolean;
}

/** What comes in place of a failed try. */
export type Recover<T> = (failure: unknown) => Observable<T>;

/** Of a call that is told nothing. */
export const NO_OPTIONS: ReadCallOptions = Object.freeze({});

/** What is known of a call by what it asks. */
type Kind = Pick<Rpc<never, unknown>, 'name' | 'safety' | 'anonymous' | 'unbounded' | 'joint'>;

/** A call at its beginning. */
export function newCall({ name, safety, anonymous, unbounded, joint }: Kind, options: ReadCallOptions): Call {
  if (options !== NO_OPTIONS) checkOptions(name, options, READ_CALL);
  return {
    name,
    safety,
    authenticated: anonymous !== true,
    patient: unbounded === true,
    joint: joint === true,
    options,
    begunAt: steadyNow(),
    sent: false,
    heardAt: 0,
    silences: 0,
    silentAt: undefined,
    overtake: undefined,
    mutes: 0,
    answered: false,
    final: false,
    resent: false,
    tries: 0,
    reauthenticated: false,
    rediscovered: false,
  };
}
