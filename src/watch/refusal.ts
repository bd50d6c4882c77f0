import type { AnswerOf } from '../codec/rpc.js';
import type { watchRpcs } from '../codec/watch.js';
import { CompactedError, EtcdError, type ErrorDetails } from '../errors/index.js';
import { serverError } from '../transport/json/response.js';

type WatchResponse = AnswerOf<typeof watchRpcs.watch>;

/** Why the server ended a watch. */
export function refusalIn({ compactRevision, cancelReason, created }: WatchResponse, where: ErrorDetails): EtcdError {
  if (compactRevision > 0) {
    return new CompactedError(`the history that the watch needs is gone; the oldest revision still there is ${compactRevision}`, {
      ...where,
      compactRevision,
    });
  }
  if (cancelReason !== '') return serverError(cancelReason, 'Canceled', where);
  // etcd 3.3 gives no reason, and refuses a watch that it did not yet start for this one only.
  if (created) return new EtcdError('PermissionDenied', 'the watch was refused', where);
  return new EtcdError('WatchCanceled', 'the server ended the watch', where);
}
