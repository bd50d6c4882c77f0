import { merge, tap } from 'rxjs';
import { isRecord } from '../codec/message.js';
import type { Rpc } from '../codec/rpc.js';
import type { EtcdError } from '../errors/index.js';
import type { Route } from './route.js';
import type { Channel } from './call.js';
import type { CarrierChoice } from './carriers/choice.js';
import type { Revisions } from './revisions.js';
import { verdict } from './retry.js';
import type { Tokens } from './tokens.js';
import type { DuplexPart, Transport } from './transport.js';

/** What a channel is made with. */
interface Means {
  readonly transport: Transport;
  readonly tokens: Tokens;
  readonly carriers: CarrierChoice;
  readonly revisions: Revisions;
  readonly headers: Readonly<Record<string, string>>;
}

/** The channel along a route, by the carrier that works there. */
export function channelAlong(
  { endpoint, info, credential }: Route,
  rpc: Rpc<never, unknown>,
  { transport, tokens, carriers, revisions, headers }: Means,
): Channel {
  const { origin } = endpoint;
  const terms = { origin, version: info.version, authenticated: credential.token !== undefined };
  const carrier = carriers.choose(terms);
  let answered = false;
  return {
    carrier,
    endpoint: origin,
    version: info.version,
    removed: endpoint.removed,
    duplex:
      carrier === 'chunked'
        ? undefined
        : merge(
            endpoint.removed,
            transport
              .duplex({ carrier, origin, path: info.prefix + rpc.path, headers, token: credential.token, rpc: rpc.name })
              .pipe(tap((part) => note(part, revisions))),
          ),
    answered: () => {
      // The first time: a member that has lost the others answers a stream as before, and no call.
      if (!answered) endpoint.succeeded();
      answered = true;
    },
    failed: (error: EtcdError): boolean => {
      // A stream of many watches that ends for what one of them is sent would end so again.
      if (error.reason === 'CarrierUnusable' || error.reason === 'ResponseTooLarge') {
        carriers.refused(origin, carrier);
        return carriers.choose(terms) !== carrier;
      }
      if (error.reason === 'ConnectionLost') carriers.lost(terms, carrier);
      const next = verdict(error, 'read', true);
      if (next === 'again' || next === 'elsewhere') endpoint.failed();
      if (next === 'rediscover') endpoint.forget();
      return next !== 'reauthenticate' || tokens.refused(credential);
    },
    outdated: () => tokens.known !== credential,
  };
}

/** What a watch tells has been seen, too. */
function note(part: DuplexPart, revisions: Revisions): void {
  if (part.type === 'message' && isRecord(part.json)) revisions.take(part.json['result'], 0, {});
}
