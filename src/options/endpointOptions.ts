import { isRecord } from '../codec/message.js';
import { InvalidOptionError } from '../errors/index.js';
import { typeName } from '../model/validate.js';
import { duration, isPath, onlyKnown } from './optionValidators.js';
import { addressOf } from '../transport/endpoints/endpointPool.js';

/** One endpoint of a cluster, or several. */
export type EndpointsOption = string | URL | readonly (string | URL)[];

/**
 * Checks endpoints, and returns them in the form `https://a:2379` or `https://proxy/etcd`.
 *
 * @param baseUrl the URL by which relative endpoints are resolved, if there is one
 * @throws InvalidOptionError that names the invalid endpoint
 */
export function checkEndpoints(given: unknown, baseUrl?: string): readonly string[] {
  if (!isAddress(given) && !Array.isArray(given))
    throw new InvalidOptionError('endpoints', `a URL or a list of URLs, not ${typeName(given)}`);
  // `Array.from` makes holes visible, which `map` would skip.
  const list: readonly unknown[] = Array.isArray(given) ? Array.from(given) : [given];
  if (list.length === 0) throw new InvalidOptionError('endpoints', 'the list is empty');
  const origins = list.map((endpoint, index) =>
    checkedAddress(endpoint, Array.isArray(given) ? `endpoints[${index}]` : 'endpoints', baseUrl),
  );
  const [first] = origins;
  const mixed = origins.findIndex((origin) => schemeOf(origin) !== schemeOf(first ?? ''));
  if (mixed > 0) {
    throw new InvalidOptionError(
      `endpoints[${mixed}]`,
      `${origins[mixed]} beside ${first}: all http or all https, so that no password travels in the clear`,
    );
  }
  return [...new Set(origins)];
}

/**
 * Checks endpoints that replace others.
 *
 * @throws InvalidOptionError as {@link checkEndpoints}, and if their scheme is another
 */
export function checkNewEndpoints(given: unknown, before: readonly string[], baseUrl?: string): readonly string[] {
  const origins = checkEndpoints(given, baseUrl);
  const [scheme, wanted] = [origins, before].map(([first = '']) => schemeOf(first));
  // TLS and streams are configured for one scheme, and a password must not be sent over the other.
  if (scheme !== wanted) throw new InvalidOptionError('endpoints', `${origins[0]} in place of ${before[0]}: a client stays with ${wanted}`);
  return origins;
}

/**
 * Checks the option `discovery`. Returns undefined if it is off.
 *
 * @throws InvalidOptionError
 */
export function checkDiscovery(given: unknown): { readonly intervalMs: number } | undefined {
  if (given === undefined || given === false) return undefined;
  if (given !== true && !isRecord(given))
    throw new InvalidOptionError('discovery', `true, false or { intervalMs }, not ${typeName(given)}`);
  const options = given === true ? {} : given;
  onlyKnown('discovery.', options, ['intervalMs']);
  return { intervalMs: duration('discovery.intervalMs', options['intervalMs'], 60_000) };
}

const schemeOf = (origin: string): string => origin.slice(0, origin.indexOf(':'));

/** Uses the name of the type, as `instanceof` would reject a URL of another realm. */
const isAddress = (given: unknown): given is string | URL => typeof given === 'string' || typeName(given) === 'URL';

function checkedAddress(endpoint: unknown, option: string, baseUrl: string | undefined): string {
  if (!isAddress(endpoint)) throw new InvalidOptionError(option, `a URL such as http://127.0.0.1:2379, not ${typeName(endpoint)}`);
  let url: URL;
  try {
    url = new URL(endpoint, baseUrl);
  } catch {
    refuseComma(endpoint, option);
    throw new InvalidOptionError(option, 'not a URL; one looks like http://127.0.0.1:2379');
  }
  // No error repeats the text, as it may contain a password: a parser takes `root:secret@a` for a scheme and a path.
  if (url.username !== '' || url.password !== '')
    throw new InvalidOptionError(option, 'it has a user or password in it; they go into the option auth');
  refuseComma(endpoint, option);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new InvalidOptionError(option, 'it begins with neither http:// nor https://; one looks like http://127.0.0.1:2379');
  }
  // The error shows neither, as a query may contain a secret.
  if (url.search !== '' || url.hash !== '') throw new InvalidOptionError(option, `${url.origin} has a query or a fragment behind it`);
  const address = addressOf(url);
  const path = address.slice(url.origin.length);
  if (path !== '' && !isPath(path))
    throw new InvalidOptionError(option, `the path behind ${url.origin} has characters in it that it may not have`);
  if (/\/v3(alpha|beta)?$/.test(path)) {
    throw new InvalidOptionError(
      option,
      `its path is to end before /v3: rxetcd adds what the server's version says, or what the option apiPrefix does`,
    );
  }
  return address;
}

/** Rejects a list with commas, as `etcdctl` accepts it. A parser takes `http://a,b` for the host `a,b`. */
function refuseComma(endpoint: string | URL, option: string): void {
  if (String(endpoint).includes(','))
    throw new InvalidOptionError(option, "it has a comma in it; give several endpoints as a list: ['http://a:2379', 'http://b:2379']");
}
