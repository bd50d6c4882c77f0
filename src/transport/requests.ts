import type { Rpc } from '../codec/rpc.js';
import type { Route } from './route.js';
import type { Call } from './call.js';
import type { Endpoint } from './endpoint.js';
import { NEEDS_LEADER } from './leader.js';
import { steadyNow } from './steadyNow.js';
import type { HttpRequest } from './http/transport.js';

/** The requests of a client. */
export class Requests {
  private readonly leaderHeaders: Readonly<Record<string, string>>;

  constructor(private readonly headers: Readonly<Record<string, string>>) {
    this.leaderHeaders = { ...headers, ...NEEDS_LEADER };
  }

  /** A call to the gateway. */
  post(
    rpc: Pick<Rpc<never, unknown>, 'path' | 'needsLeader'>,
    body: Uint8Array,
    { endpoint, info, credential }: Route,
    call: Call,
  ): HttpRequest {
    const { token } = credential;
    const headers = rpc.needsLeader === true ? this.leaderHeaders : this.headers;
    const { onSent, onReceived } = reportsOf(call, endpoint);
    return {
      origin: endpoint.origin,
      method: 'POST',
      path: info.prefix + rpc.path,
      headers: token === undefined ? headers : { ...headers, authorization: token },
      body,
      rpc: call.name,
      patient: call.patient,
      onSent,
      onReceived,
    };
  }

  /** What is asked beside the gateway. */
  get(path: string, origin: string): HttpRequest {
    return { origin, method: 'GET', path, headers: this.headers, rpc: `GET ${path}` };
  }

  /** The same as a call. */
  getAlong(path: string, endpoint: Endpoint, call: Call): HttpRequest {
    return { ...this.get(path, endpoint.origin), ...reportsOf(call, endpoint) };
  }
}

/** How a try of a call goes, noted where the decisions are made. */
function reportsOf(call: Call, endpoint: Endpoint): Required<Pick<HttpRequest, 'onSent' | 'onReceived'>> {
  return {
    onSent: () => {
      call.sent = true;
      // Its wait for a connection is no silence of the server's.
      call.heardAt = steadyNow();
    },
    onReceived: () => (call.heardAt = endpoint.heardAt = steadyNow()),
  };
}
