import { header, refuse, reply, type Script } from './scripted.js';

export const AUTHENTICATE = '/v3/auth/authenticate';

/** A server with auth on: it knows one token at a time. */
export class Guard {
  token = 'simple.0';
  refusal: Script = refuse('etcdserver: invalid auth token', 16, 401);
  authenticate: Script = (request) => reply(200, { header, token: this.renew() }, 5)(request);
  private renewals = 0;

  renew(): string {
    return (this.token = `simple.${++this.renewals}`);
  }

  readonly script: Script = (request) => {
    if (request.path === AUTHENTICATE) return this.authenticate(request);
    return request.headers['authorization'] === this.token ? reply(200)(request) : this.refusal(request);
  };
}
