/**
 * Provides pipeable RxJS operators for the values that the client of `rxetcd` emits: events, txns, locks and leases.
 *
 * @module rxetcd/operators
 */
export { afterRevision } from './afterRevision.js';
export { byRevision } from './byRevision.js';
export { changedValues } from './changedValues.js';
export { commitTxn } from './commitTxn.js';
export { compareAndSet, type CompareAndSetResult, type ConditionalPut, type ExpectedState } from './compareAndSet.js';
export { conflateByKey, type KeyedItem } from './conflateByKey.js';
export { decodeJson } from './decodeJson.js';
export { decodeWith } from './decodeWith.js';
export { deletes } from './deletes.js';
export { foldEvents, type FoldEventsOptions } from './foldEvents.js';
export { guardedBy, type Guard } from './guardedBy.js';
export { matchKey, type KeyMatcher } from './matchKey.js';
export { ofType } from './ofType.js';
export { parseJsonStream, type ParseJsonStreamOptions } from './parseJsonStream.js';
export { putAll, type PutAllOptions } from './putAll.js';
export { putTo, type PutToOptions } from './putTo.js';
export { puts } from './puts.js';
export { resumeFromRevision, type ResumeFromRevisionOptions } from './resumeFromRevision.js';
export { retryBackoff, type RetryBackoffOptions } from './retryBackoff.js';
export { takeUntilAborted } from './takeUntilAborted.js';
export { toAsyncIterable, type ToAsyncIterableOptions } from './toAsyncIterable.js';
export { tryDecode } from './tryDecode.js';
export { untilRevision, type UntilRevisionOptions } from './untilRevision.js';
export { untilReleased } from './untilReleased.js';
export { whileLeader } from './whileLeader.js';
export { withLease, type LeaseEventLike } from './withLease.js';
export { withLock, type LockStrategy, type WithLockOptions } from './withLock.js';

export type { BackoffOptions } from './internal/backoff.js';
export type { OverflowPolicy } from './internal/bufferedIterator.js';
export type { Decodable, Decoded } from './internal/decoded.js';
export type { PutAllResult } from './internal/bulkWriter.js';
export { isPutAllError, type PutAllError } from './internal/putAllError.js';
export type { PutEntry } from './internal/putEntry.js';
export type { Committed, Fenced, FencedTxn } from './internal/fencedTxn.js';
export type { Revisioned, WholeRevision } from './internal/revisionCursor.js';
export type { PutTarget, TxnTarget } from './internal/putTarget.js';
export { isTransientError } from './internal/transient.js';
export type { RunWhileOptions } from './internal/runWhile.js';
