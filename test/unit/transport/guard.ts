import { header, refuse, reply, type Script } from '../../support/fakes/fakeTransport.js';

export const AUTHENTICATE = '/v3/auth/authenticate';

/** A server with auth on. */
export class Guard {
  token = 'simple.0';
  refusal: Script = refuse('etcdserver: invalid auth token', 16, 401);
  authenticate: Script = (request) => reply(200, { header, token: this.renew() }, 5)(request);
  private renewals = 0;

  /** @param forgets whether it accepts only the newest token; a real one accepts every token until it expires */
  constructor(private readonly forgets = true) {}

  renew(): string {
    return (this.token = `simple.${++this.renewals}`);
  }

  readonly script: Script = (request) => {
    if (request.path === AUTHENTICATE) return this.authenticate(request);
    return this.knows(request.headers['authorization']) ? reply(200)(request) : this.refusal(request);
  };

  private knows(token: string | undefined): boolean {
    return token === this.token || (!this.forgets && token?.startsWith('simple.') === true);
  }
}
