import type { ClusterId, MemberId } from './ids.js';
import type { KeyValue } from './keyValue.js';

/** At the head of every answer: who gave it, and at which revision of the store. */
export interface ResponseHeader {
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
  /** The store's revision when the answer was made: not the revision of what is in it. */
  readonly revision: number;
  readonly raftTerm: number;
}

/** The answer to a range. */
export interface RangeResponse {
  readonly header: ResponseHeader;
  readonly kvs: readonly KeyValue[];
  /** More keys are in the range than the limit let through. */
  readonly more: boolean;
  /** How many keys are in the range, whatever the limit. */
  readonly count: number;
}

/** The answer to a put. */
export interface PutResponse {
  readonly header: ResponseHeader;
  /** What was there before: only with `prevKv`, and undefined for a new key. */
  readonly prevKv: KeyValue | undefined;
}

/** The answer to a delete. */
export interface DeleteRangeResponse {
  readonly header: ResponseHeader;
  /** How many keys there were to delete. */
  readonly deleted: number;
  /** What they were: only with `prevKv`. */
  readonly prevKvs: readonly KeyValue[];
}
