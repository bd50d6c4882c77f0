import * as E from 'fp-ts/lib/Either.js';
import type { Decoder } from 'io-ts';
import { defer, map, type Observable } from 'rxjs';
import type { Rpc, Safety } from './codec/rpc.js';
import type { Json } from './codec/wire.js';
import { EtcdError } from './errors/index.js';
import { failuresOf } from './model/failures.js';
import { splitOptions } from './splitOptions.js';
import type { Caller, CallOptions } from './transport/call.js';

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
    if (!/^(\/[\w.~-]+)+$/.test(path))
      throw new EtcdError('InvalidArgument', `a path is like /kv/range, behind the version's prefix, not ${JSON.stringify(path)}`);
    const [{ codec, safety = 'write', streaming = false }, call] = splitOptions(options);
    const rpc: Rpc<Json, unknown> = {
      name: `POST ${path}`,
      path,
      safety,
      request: { kind: undefined, write: (json) => json },
      response: { read: (json) => json, explain: () => [] },
    };
    const answers = streaming ? caller.stream(rpc, body, call) : caller.unary(rpc, body, call);
    // Without a codec `A` is `unknown`, by the overloads of `Client.call`.
    return answers.pipe(map((answer) => (codec === undefined ? (answer as A) : checked(codec, answer, rpc.name))));
  });
}

function checked<A>(codec: Decoder<unknown, A>, answer: unknown, rpc: string): A {
  const decoded = codec.decode(answer);
  if (E.isRight(decoded)) return decoded.right;
  throw new EtcdError('MalformedResponse', `the answer is not what the codec wants: ${failuresOf(decoded.left).join('; ')}`, { rpc });
}
