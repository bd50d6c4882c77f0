import * as E from 'fp-ts/lib/Either.js';
import type { Decoder } from 'io-ts';
import { defer, map, type Observable } from 'rxjs';
import { authRpcs } from '../codec/auth.js';
import { electionRpcs } from '../codec/election.js';
import { leaseRpcs } from '../codec/lease.js';
import { lockRpcs } from '../codec/lock.js';
import { maintenanceRpcs } from '../codec/maintenance.js';
import type { Rpc, Safety } from '../codec/rpc.js';
import { jsonText, type Json } from '../codec/wire.js';
import { EtcdError } from '../errors/index.js';
import { BOOLEAN, checkArgument, checkOptions, CODEC, oneOf, type OptionKind, type OptionKinds } from '../model/validate.js';
import { failuresOf } from '../model/failures.js';
import { jsonOf } from '../model/jsonOf.js';
import { splitOptions } from './internal/callOptions.js';
import { CALL, type Caller, type CallOptions } from '../transport/call.js';

/** How an RPC is called that rxetcd has no method for. */
export interface RawCallOptions<A> extends CallOptions {
  /** Checks the answer; without it the answer is JSON as it came, in etcd's spelling. */
  readonly codec?: Decoder<unknown, A>;
  /** `read` lets it be tried again where nobody knows what became of it. By default `write`: at most once. */
  readonly safety?: Safety;
  /** Its answers are a stream (`{ result }` a line). */
  readonly streaming?: boolean;
}

/**
 * Any RPC of the gateway, by its path behind the version's prefix (`/kv/range`), with a body in etcd's spelling.
 *
 * ```ts
 * etcd.call('/kv/range', { key: btoa('a') }, { codec: t.type({ count: t.string }), safety: 'read' });
 * ```
 */
export function rawCall<A>(caller: Caller, path: string, body: Json, options: RawCallOptions<A> = {}): Observable<A> {
  return defer(() => {
    checkArgument('call', 'path', path, PATH);
    const [{ codec, safety = 'write', streaming = false }, call] = splitOptions(checkOptions('call', options, RAW_CALL));
    jsonOf('call: body', body);
    const rpc: Rpc<Json, unknown> = {
      ...limitsOf(path),
      name: `POST ${path}`,
      path,
      safety,
      request: { kind: undefined, write: jsonText },
      response: { read: (json) => json, explain: () => [] },
    };
    const answers = streaming ? caller.stream(rpc, body, call) : caller.unary(rpc, body, call);
    // Without a codec `A` is `unknown`, by the overloads of `Client.call`.
    return answers.pipe(map((answer) => (codec === undefined ? (answer as A) : checked(codec, answer, rpc.name))));
  });
}

/** A path could lead elsewhere. */
const PATH: OptionKind = {
  what: "a path like /kv/range, behind the version's prefix",
  is: (path) => typeof path === 'string' && /^(\/[\w.~-]+)+$/.test(path),
};

const RAW_CALL: OptionKinds<RawCallOptions<unknown>> = { ...CALL, codec: CODEC, safety: oneOf('read', 'write'), streaming: BOOLEAN };

/** How long an RPC may take that there is a method for, too, or that needs no token: the same as there. */
function limitsOf(path: string): Pick<Rpc<never, unknown>, 'unbounded' | 'bounded' | 'anonymous'> {
  const tables = [authRpcs, electionRpcs, leaseRpcs, lockRpcs, maintenanceRpcs];
  const typed = tables.flatMap((table): readonly Rpc<never, unknown>[] => Object.values(table)).find((rpc) => rpc.path === path);
  return {
    ...(typed?.unbounded && { unbounded: true }),
    ...(typed?.bounded && { bounded: true }),
    ...(typed?.anonymous && { anonymous: true }),
  };
}

function checked<A>(codec: Decoder<unknown, A>, answer: unknown, rpc: string): A {
  const decoded = codec.decode(answer);
  if (E.isRight(decoded)) return decoded.right;
  throw new EtcdError('MalformedResponse', `the answer is not what the codec wants: ${failuresOf(decoded.left).join('; ')}`, { rpc });
}
