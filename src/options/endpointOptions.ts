import { InvalidOptionError } from '../errors/index.js';
import { typeName } from '../model/failures.js';
import { duration, isObject, onlyKnown } from './optionValidators.js';

/** Where a cluster is: one address of it, or several. */
export type EndpointsOption = string | URL | readonly (string | URL)[];

/** The endpoints as origins (`https://a:2379`), each checked. @throws InvalidOptionError that names the one at fault */
export function checkEndpoints(given: unknown): readonly string[] {
  if (!isAddress(given) && !Array.isArray(given))
    throw new InvalidOptionError('endpoints', `a URL or a list of URLs, not ${typeName(given)}`);
  // Array.from shows the holes, which map would skip.
  const list: readonly unknown[] = Array.isArray(given) ? Array.from(given) : [given];
  if (list.length === 0) throw new InvalidOptionError('endpoints', 'the list is empty');
  const origins = list.map((endpoint, index) => originOf(endpoint, Array.isArray(given) ? `endpoints[${index}]` : 'endpoints'));
  const [first] = origins;
  const mixed = origins.findIndex((origin) => schemeOf(origin) !== schemeOf(first ?? ''));
  if (mixed > 0) {
    throw new InvalidOptionError(
      `endpoints[${mixed}]`,
      `${origins[mixed]} beside ${first}: all http or all https, lest a password travels in the clear`,
    );
  }
  return [...new Set(origins)];
}

/** Endpoints in place of others. @throws InvalidOptionError as {@link checkEndpoints}, and where they are not of the same scheme */
export function checkNewEndpoints(given: unknown, before: readonly string[]): readonly string[] {
  const origins = checkEndpoints(given);
  const [scheme, wanted] = [origins, before].map(([first = '']) => schemeOf(first));
  // TLS and streams were set up for the one, and a password must not travel by the other.
  if (scheme !== wanted) throw new InvalidOptionError('endpoints', `${origins[0]} in place of ${before[0]}: a client stays with ${wanted}`);
  return origins;
}

/** The option `discovery`: undefined where nothing is to be discovered. @throws InvalidOptionError */
export function checkDiscovery(given: unknown): { readonly intervalMs: number } | undefined {
  if (given === undefined || given === false) return undefined;
  if (given !== true && !isObject(given))
    throw new InvalidOptionError('discovery', `true, false or { intervalMs }, not ${typeName(given)}`);
  const options = given === true ? {} : given;
  onlyKnown('discovery.', options, ['intervalMs']);
  return { intervalMs: duration('discovery.intervalMs', options['intervalMs'], 60_000) };
}

const schemeOf = (origin: string): string => origin.slice(0, origin.indexOf(':'));

/** `instanceof` would refuse a URL of another realm. */
const isAddress = (given: unknown): given is string | URL => typeof given === 'string' || typeName(given) === 'URL';

function originOf(endpoint: unknown, option: string): string {
  if (!isAddress(endpoint)) throw new InvalidOptionError(option, `a URL such as http://127.0.0.1:2379, not ${typeName(endpoint)}`);
  let url: URL;
  try {
    url = new URL(endpoint);
  } catch {
    refuseComma(endpoint, option);
    throw new InvalidOptionError(option, 'not a URL; one looks like http://127.0.0.1:2379');
  }
  // The text may hold a password (to a parser `root:secret@a` is a scheme and a path): it is nowhere repeated.
  if (url.username !== '' || url.password !== '')
    throw new InvalidOptionError(option, 'it has a user or password in it; they go into the option auth');
  refuseComma(endpoint, option);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new InvalidOptionError(option, 'it begins with neither http:// nor https://; one looks like http://127.0.0.1:2379');
  }
  if ((url.pathname !== '/' && url.pathname !== '') || url.search !== '' || url.hash !== '') {
    throw new InvalidOptionError(option, `${url.origin} has something behind it; a path belongs into the option apiPrefix`);
  }
  return url.origin;
}

/** As `etcdctl` takes them. To a parser `http://a,b` is the host `a,b`. */
function refuseComma(endpoint: string | URL, option: string): void {
  if (String(endpoint).includes(','))
    throw new InvalidOptionError(option, "it has a comma in it; give several endpoints as a list: ['http://a:2379', 'http://b:2379']");
}
