import { EtcdError, withoutSecrets, type ErrorDetails } from '../../errors/index.js';
import type { HttpResponse } from '../http/transport.js';

/** The source of a response. */
export interface AnswerSource extends ErrorDetails {
  /**
   * Whether the endpoint has responded as etcd before. Any other response then means that etcd is down, not that this
   * is something else.
   */
  readonly knownEtcd?: boolean | undefined;
}

/** Limits the URL in an error. It may be long, and a server chooses it. */
const MOST_SHOWN = 200;

/**
 * Returns the error for a response of a proxy before etcd. Its body is not quoted: it may be a whole page, and hold
 * secrets.
 */
export function pageError({ status, body, location }: HttpResponse, source: AnswerSource): EtcdError {
  const details = { ...source, status };
  const down = asDown(details);
  if (status === 413) {
    return new EtcdError('RequestTooLarge', 'HTTP 413 from a proxy before etcd: its limit on requests is too low; raise it there', details);
  }
  if (status === 429) return new EtcdError('TooManyRequests', 'HTTP 429 from a proxy before etcd: it limits requests', details);
  if (status >= 300 && status < 400) {
    const target = targetOf(location, details.endpoint);
    const where = target === undefined ? '' : ` to ${target}`;
    return new EtcdError(
      'ProxyRefused',
      `HTTP ${status} from a proxy before etcd: it redirects${where}, and rxetcd follows no redirects; set the endpoints to where etcd is`,
      down,
    );
  }
  if (status === 401 || status === 403) {
    return new EtcdError(
      'ProxyRefused',
      `HTTP ${status} from a proxy before etcd; what it wants to see may go into the option headers`,
      down,
    );
  }
  if (status >= 400 && status < 500) return new EtcdError('ProxyRefused', `HTTP ${status} from a proxy before etcd`, down);
  // The proxy does not reach the server at the moment.
  if (status >= 502 && status <= 504) {
    return new EtcdError('Unknown', `HTTP ${status}, not from etcd itself`, { ...details, code: 'Unavailable' });
  }
  return malformed(status, `a body of ${body.length} characters that is not etcd's`, down);
}

/** Marks a response in place of a known etcd as `Unavailable`: etcd is down. */
const asDown = (details: AnswerSource): ErrorDetails => (details.knownEtcd === true ? { ...details, code: 'Unavailable' } : details);

const malformed = (status: number, what: string, details: ErrorDetails): EtcdError =>
  new EtcdError('MalformedResponse', `HTTP ${status} with ${what}`, details);

/** Returns the target of a redirect as its header gives it. */
export function locationOf(
  status: number,
  { location }: Readonly<Record<string, string | readonly string[] | undefined>>,
): string | undefined {
  return status >= 300 && status < 400 && typeof location === 'string' ? location : undefined;
}

/** Returns the target of a redirect without user and query, which may be secret. */
export function targetOf(location: string | undefined, endpoint: string | undefined): string | undefined {
  if (location === undefined || !URL.canParse(location, endpoint)) return undefined;
  const { protocol, host, pathname } = new URL(location, endpoint);
  return withoutSecrets(`${protocol}//${host}${pathname}`).slice(0, MOST_SHOWN);
}

const SPACE = 0x20;
const BRACE = 0x7b;

/** Returns whether a response with status 200 is not from etcd, whose responses begin with `{`. */
export const isPage = (beginning: string): boolean => !/^\s*\{/.test(beginning);

/**
 * Refuses a streamed response that is not from etcd.
 * @throws EtcdError if a response with status 200 begins as none of etcd's does
 */
export function refusePage(beginning: Uint8Array, where: AnswerSource): void {
  const first = beginning.find((byte) => byte > SPACE);
  if (first !== undefined && first !== BRACE) throw malformed(200, "a body that is not etcd's", asDown(where));
}
