import { isHeaderText, isObject, mismatch } from './validate.js';

const BY_ITSELF = 'rxetcd sets it by itself';

/**
 * The headers that users must not set. HTTP or rxetcd sets them, or they request a form of response that rxetcd cannot
 * read.
 */
const OWN_HEADERS: ReadonlyMap<string, string> = new Map([
  ...['authorization', 'content-type', 'content-length', 'host', 'user-agent', 'http2-settings'].map((name) => [name, BY_ITSELF] as const),
  ...['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'expect', 'te', 'trailer'].map(
    (name) => [name, BY_ITSELF] as const,
  ),
  ...['sec-websocket-key', 'sec-websocket-version', 'sec-websocket-protocol', 'sec-websocket-extensions', 'sec-websocket-accept'].map(
    (name) => [name, BY_ITSELF] as const,
  ),
  ['accept-encoding', 'rxetcd does not decompress responses'],
  ['content-encoding', 'rxetcd does not compress requests'],
  ['range', 'rxetcd reads whole responses'],
  ...['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range'].map(
    (name) => [name, 'rxetcd cannot read a response without a body'] as const,
  ),
]);

/** Text that can be the value of a header. */
export const HEADER_TEXT = {
  what: 'a string that is not empty, without a line break or another character that HTTP does not allow in a header',
  is: (value: unknown): value is string => typeof value === 'string' && value !== '' && !/[\0\r\n]/.test(value) && isHeaderText(value),
};

/** The reason why a header, or a whole set of headers, cannot be sent. */
interface InvalidHeader {
  /** The name of the header in brackets, such as `["a"]`; empty for the whole set. */
  readonly place: string;
  readonly problem: string;
}

/**
 * Finds the first header that cannot be sent. Such a header is reserved, occurs twice, or is not allowed by HTTP.
 * Returns undefined if all headers can be sent.
 */
export function findInvalidHeader(headers: unknown): InvalidHeader | undefined {
  // A `Map` or a `Headers` is not accepted, as its headers are not properties.
  if (!isObject(headers)) return { place: '', problem: mismatch({ what: 'an object of strings, { name: value }' }, headers) };
  const seen = new Set<string>();
  for (const [name, value] of Object.entries(headers)) {
    const problem = problemOf(name.toLowerCase(), value, seen);
    if (problem !== undefined) return { place: `[${JSON.stringify(name)}]`, problem };
  }
  return undefined;
}

function problemOf(lower: string, value: unknown, seen: Set<string>): string | undefined {
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(lower)) return 'expected a header name that HTTP allows, received another name';
  const reason = OWN_HEADERS.get(lower);
  if (reason !== undefined) return `expected a header that is not reserved, received a reserved one; ${reason}`;
  if (seen.has(lower)) return 'expected each header once, received this header twice';
  seen.add(lower);
  return HEADER_TEXT.is(value) ? undefined : mismatch(HEADER_TEXT, value);
}

/** Returns headers with their names in lower case. The headers were checked before. */
export const withLowerNames = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
