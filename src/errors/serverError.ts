import { CompactedError, EtcdError, type ErrorDetails } from './etcdError.js';
import { type GrpcCode, reasonOf } from './reasons.js';
import { withoutSecrets } from './secrets.js';

/**
 * gRPC's own words for a call that was cut off. With the code `DeadlineExceeded` they mean that the gateway's deadline
 * came before etcd's (seen on 3.5.30, in one of ten).
 */
const CUT_OFF = /^stream terminated by RST_STREAM with error code: CANCEL$/;
const CANCELED = /(?:^|desc = )context canceled$/;

/**
 * Reads an error in the server's own words, without secrets. The message decides before the code, as some services use
 * one code for all.
 */
export function serverError(said: string, code: GrpcCode, details: ErrorDetails): EtcdError {
  const reason = reasonOf(said) ?? (code === 'DeadlineExceeded' && CUT_OFF.test(said) ? 'DeadlineExceeded' : undefined);
  // A known message of etcd quotes nothing of the request. It is kept whole, although a password may equal one of its
  // words.
  const text = reason === undefined || reason === 'Stopped' ? withoutSecrets(said) : said;
  if (reason === 'Compacted') return new CompactedError(text, details);
  if (reason !== undefined) return new EtcdError(reason, text, details);
  return new EtcdError(code === 'Unimplemented' ? 'UnknownMethod' : 'Unknown', text === '' ? `gRPC code ${code}` : text, {
    ...details,
    // Go's own words, which some services of etcd send with code 2. They mean the same as code 1.
    code: CANCELED.test(text) ? 'Canceled' : code,
  });
}
