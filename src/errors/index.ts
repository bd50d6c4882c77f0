export { GRPC_CODES, grpcCode, type GrpcCode } from './reasons.js';
export { codeOf, messageOf, reasonOf, SERVER_REASONS, type Reason } from './reasons.js';
export { EtcdError, isEtcdError, type ErrorDetails } from './etcdError.js';
export { keepSecret, withoutSecrets } from './etcdError.js';
export { persistenceOf, type Persistence } from './classify.js';
export { errorFrom, serverError } from './etcdError.js';
export { httpStatusOf, statusOfCode } from './classify.js';
export {
  AmbiguousWriteError,
  CompactedError,
  InvalidOptionError,
  InvalidValueError,
  UnsupportedServerVersionError,
  hasReason,
  type EtcdErrorOf,
} from './etcdError.js';
