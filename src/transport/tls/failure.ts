import { EtcdError, type ErrorDetails } from '../../errors/index.js';

/** OpenSSL's codes for what is wrong with the server's certificate, in words. */
const OF_THE_SERVER: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  CERT_REVOKED: 'it was revoked',
  CERT_SIGNATURE_FAILURE: 'its signature is wrong',
  CERT_UNTRUSTED: 'its authority is not among those that are trusted (tls.ca)',
  CERT_REJECTED: 'its authority does not vouch for it',
  CERT_CHAIN_TOO_LONG: 'its chain is too long',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is self-signed, and not among those that are trusted (tls.ca)',
  SELF_SIGNED_CERT_IN_CHAIN: 'its authority is not among those that are trusted (tls.ca)',
  UNABLE_TO_GET_ISSUER_CERT: 'its authority is not among those that are trusted (tls.ca)',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its authority is not among those that are trusted (tls.ca)',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its authority is not among those that are trusted (tls.ca)',
  INVALID_CA: 'its authority may not sign',
  INVALID_PURPOSE: 'it is not for servers',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another name',
};

/** What a server alerts of when it does not like our certificate; it comes before the server has read anything, or never. */
const OF_OURS: Readonly<Record<string, string>> = {
  CERTIFICATE_REQUIRED: 'it wants one: give tls.cert and tls.key',
  BAD_CERTIFICATE: 'it does not take ours, or wants one where none is given (tls.cert, tls.key)',
  UNKNOWN_CA: 'it does not know the authority of ours',
  CERTIFICATE_EXPIRED: 'ours has expired',
  CERTIFICATE_REVOKED: 'ours was revoked',
  CERTIFICATE_UNKNOWN: 'it does not take ours',
  UNSUPPORTED_CERTIFICATE: 'ours is of a kind that it does not take',
  ACCESS_DENIED: 'it does not take ours',
};

/**
 * A failure of TLS as an error of rxetcd; undefined where it is another failure.
 *
 * @param cause what the socket says
 * @param sent whether the request had left: what breaks then is a broken connection, but for a refusal of our certificate, which may come that late
 * @param where with the code `Unavailable` for what may pass
 */
export function tlsFailure(cause: unknown, code: string, sent: boolean, where: ErrorDetails): EtcdError | undefined {
  const failed = (problem: string): EtcdError => new EtcdError('TlsFailed', `no TLS connection: ${problem}`, { ...where, cause });
  const ofTheServer = OF_THE_SERVER[code];
  if (ofTheServer !== undefined) return failed(`the server's certificate is refused: ${ofTheServer}${detailsOf(cause)}`);
  const ofOurs = OF_OURS[/_ALERT_(\w+)$/.exec(code)?.[1] ?? ''];
  if (ofOurs !== undefined) return failed(`the server wants another certificate of this client: ${ofOurs}`);
  if (sent || !/^(ERR_SSL_|ERR_TLS_|EPROTO$)/.test(code)) return undefined;
  return failed(
    code === 'ERR_SSL_WRONG_VERSION_NUMBER'
      ? 'what answers does not speak TLS: is the endpoint http?'
      : `the two sides do not agree (${code})`,
  );
}

/** The names that it is for, which Node tells. */
function detailsOf(cause: unknown): string {
  const { reason } = cause as { reason?: unknown };
  return typeof reason === 'string' ? `. ${reason}` : '';
}
