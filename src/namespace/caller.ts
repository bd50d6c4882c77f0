import { defer, map, type Observable } from 'rxjs';
import type { Rpc } from '../codec/rpc.js';
import { EtcdError } from '../errors/index.js';
import type { Caller } from '../transport/call.js';
import type { Prefix } from '../prefix/prefix.js';
import { rulesOf } from '../prefix/prefixedCaller.js';

/** A caller whose keys all begin with a prefix that nobody who calls sees. */
export function callerWithin(caller: Caller, prefix: Prefix): Caller {
  const ruleOf = rulesOf(prefix);

  const within = <In, A>(rpc: Rpc<In, A>, request: In, call: (request: In) => Observable<A>): Observable<A> =>
    defer(() => {
      const rule = ruleOf(rpc);
      if (rule === undefined) throw new EtcdError('InvalidArgument', 'this is not for a namespace', { rpc: rpc.name });
      return call(rule.request(request)).pipe(map(rule.answer));
    });

  return {
    unary: (rpc, request, options) => within(rpc, request, (whole) => caller.unary(rpc, whole, options)),
    stream: (rpc, request, options) => within(rpc, request, (whole) => caller.stream(rpc, whole, options)),
    channel: (rpc) => caller.channel(rpc),
    get: (path, options) => caller.get(path, options),
  };
}
