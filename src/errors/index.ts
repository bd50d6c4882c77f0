export { grpcCode, type GrpcCode } from './codes.js';
export { codeOf, messageOf, reasonOf, SERVER_REASONS, type Reason } from './reasons.js';
export { EtcdError, isEtcdError, type ErrorDetails } from './etcdError.js';
export {
  AmbiguousWriteError,
  CompactedError,
  InvalidOptionError,
  InvalidValueError,
  UnsupportedServerVersionError,
  hasReason,
  type EtcdErrorOf,
} from './kinds.js';
