import type { Encoder } from 'io-ts';
import { catchError, concatMap, defer, type Observable, throwError } from 'rxjs';
import { authRpcs } from '../codec/auth.js';
import { electionRpcs, lockRpcs } from '../codec/concurrency.js';
import { leaseRpcs } from '../codec/lease.js';
import { maintenanceRpcs } from '../codec/maintenance.js';
import { type Rpc, type Safety, type Json } from '../codec/descriptors.js';
import { misunderstood } from '../codec/message.js';
import { EtcdError } from '../errors/index.js';
import { type Checked, type Validator, validatedLater, VALIDATOR } from '../model/validator.js';
import { BOOLEAN, checkArgument, checkOptions, oneOf, type OptionKind, type OptionKinds } from '../model/validate.js';
import { ENCODER, splitOptions } from './internal/callOptions.js';
import { CALL, type Caller, type CallOptions } from '../transport/call.js';
import { isRight } from '../util/either.js';
import { mapInOrder, outcomeOf } from '../util/rx.js';

/** The options of `call`, for an RPC for which rxetcd has no method. */
export interface RawCallOptions<A> extends CallOptions {
  /**
   * Checks and encodes the body. `rxetcd/swagger` provides such an encoder as `request` of each path. If the encoder
   * throws, the call errors with that error, and nothing is sent. Without this option the body is sent unchanged.
   */
  readonly request?: Encoder<never, Json>;
  /**
   * Checks the response: an io-ts codec or a Standard Schema, which may check asynchronously. Without this option the
   * response is emitted as JSON with etcd's field names. If the codec rejects the response, a read errors with
   * `MalformedResponse`. A write errors with `AmbiguousWrite`, and `MalformedResponse` is its cause. With `streaming`
   * the error is always `MalformedResponse`.
   */
  readonly codec?: Validator<A>;
  /**
   * With `read` the call is retried even if its outcome is unknown. With `write`, the default, it is carried out at
   * most once.
   */
  readonly safety?: Safety;
  /** Whether the RPC responds with a stream, in which each line is a `{ result }`. */
  readonly streaming?: boolean;
  /**
   * Whether the response is emitted as it arrived: its status, headers and body. For a stream, each object is emitted
   * complete, as `{ result }`. If the server rejects the call, the call errors as it does without `raw`. The error has
   * `status` and `serverMessage`. `raw` cannot be combined with `codec`.
   */
  readonly raw?: boolean;
}

/**
 * Creates the method `call`, which calls any RPC of the gateway. The path is the part after the version prefix, such as
 * `/kv/range`. The body is read when the method is called, not on subscription.
 *
 * ```ts
 * etcd.call('/kv/range', { key: btoa('a') }, { codec: t.type({ count: t.string }), safety: 'read' });
 * etcd.call('/kv/range', { key: btoa('a') }, { raw: true, safety: 'read' });
 * ```
 */
export function rawCall(caller: Caller) {
  return <A>(path: string, text: () => string, options: RawCallOptions<A>): Observable<A> =>
    defer(() => {
      checkArgument('call', 'path', path, PATH);
      const [{ codec, safety = 'write', streaming = false, raw = false }, call] = splitOptions(checkOptions('call', options, RAW_CALL));
      if (raw && codec !== undefined)
        throw new EtcdError('InvalidArgument', 'raw of call: expected no codec together with raw, received a codec; nothing is decoded');
      const rpc: Rpc<string, unknown> = {
        ...limitsOf(path),
        name: `POST ${path}`,
        path,
        safety,
        request: { kind: undefined, write: (json) => json },
        response: { read: (json) => json, explain: () => [] },
        ...(raw && { raw: true }),
      };
      // Without a codec, the overloads of `Client.call` set `A` to `unknown`.
      const read = (response: unknown): A | PromiseLike<A> => (codec === undefined ? (response as A) : checked(codec, response, rpc.name));
      if (streaming) return caller.stream(rpc, text(), call).pipe(mapInOrder(read));
      return caller
        .unary(rpc, text(), call)
        .pipe(
          concatMap((response) =>
            outcomeOf(() => read(response)).pipe(catchError((error: unknown) => throwError(() => misunderstood(rpc, error)))),
          ),
        );
    });
}

/** Rejects paths that could lead out of the gateway. */
const PATH: OptionKind = {
  what: "a path such as /kv/range, without the version's prefix",
  is: (path) => typeof path === 'string' && /^(\/[\w.~-]+)+$/.test(path),
};

const RAW_CALL: OptionKinds<RawCallOptions<unknown>> = {
  ...CALL,
  request: ENCODER,
  codec: VALIDATOR,
  safety: oneOf('read', 'write'),
  streaming: BOOLEAN,
  raw: BOOLEAN,
};

/**
 * Returns properties of an RPC that affect a call: its limits, and whether it needs a token. These properties are known
 * only if rxetcd has a method for the RPC.
 */
function limitsOf(path: string): Pick<Rpc<never, unknown>, 'unbounded' | 'bounded' | 'anonymous'> {
  const tables = [authRpcs, electionRpcs, leaseRpcs, lockRpcs, maintenanceRpcs];
  const typed = tables.flatMap((table): readonly Rpc<never, unknown>[] => Object.values(table)).find((rpc) => rpc.path === path);
  return {
    ...(typed?.unbounded && { unbounded: true }),
    ...(typed?.bounded && { bounded: true }),
    ...(typed?.anonymous && { anonymous: true }),
  };
}

function checked<A>(codec: Validator<A>, response: unknown, rpc: string): A | PromiseLike<A> {
  const accept = (decoded: Checked<A>): A => {
    if (isRight(decoded)) return decoded.right;
    throw new EtcdError('MalformedResponse', `the response does not match the codec: ${decoded.left.join('; ')}`, { rpc });
  };
  const decoded = validatedLater(codec, response);
  return 'then' in decoded ? decoded.then(accept) : accept(decoded);
}
