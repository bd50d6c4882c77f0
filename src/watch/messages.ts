import type { RequestOf } from '../codec/rpc.js';
import type { watchRpcs } from '../codec/watch.js';
import { BOOLEAN, type OptionKinds } from '../model/validate.js';
import { toKeyRange, type KeyRange, type Range } from '../model/range.js';

/** What a watch is to report. */
export interface WatchFilter {
  /** Report with each change what was there before. */
  readonly prevKv?: boolean;
  /** Leave out the puts. */
  readonly noPut?: boolean;
  /** Leave out the deletes. */
  readonly noDelete?: boolean;
  /** Have the server say every ten minutes or so how far it is, if nothing else is to be said: bookmarks for `watchBatches`. */
  readonly progressNotify?: boolean;
}

export const WATCH_FILTER: OptionKinds<WatchFilter> = { prevKv: BOOLEAN, noPut: BOOLEAN, noDelete: BOOLEAN, progressNotify: BOOLEAN };

/** A watch as it is asked for on a stream. */
export interface WatchTarget extends KeyRange {
  readonly filter: WatchFilter;
}

/** What most watches leave out: one for all of them, of which there may be many. */
const NOTHING: WatchFilter = {};

/** What is asked for by a range and options: a copy, as who gave the options may change them. */
export function targetOf(
  range: Range,
  { prevKv = false, noPut = false, noDelete = false, progressNotify = false }: WatchFilter = {},
): WatchTarget {
  const { key, rangeEnd } = toKeyRange(range);
  const filter = prevKv || noPut || noDelete || progressNotify ? { prevKv, noPut, noDelete, progressNotify } : NOTHING;
  // Not spread: V8 may give each object that is made so a shape of its own, which is larger than the object.
  return rangeEnd === undefined ? { key, filter } : { key, rangeEnd, filter };
}

type WatchRequest = RequestOf<typeof watchRpcs.watch>;

/** How a watch is asked for of a server that is new enough. */
interface CreateOptions {
  /** Have it split responses that are too long. */
  readonly fragment: boolean;
  /** Have it number the watch so. */
  readonly watchId?: number;
}

/** The request that creates a watch. Fields that are not set are left out: a server that does not know them must not see them. */
export function createRequest({ filter, ...keys }: WatchTarget, startRevision: number, { fragment, watchId }: CreateOptions): WatchRequest {
  const filters = [...(filter.noPut === true ? (['NOPUT'] as const) : []), ...(filter.noDelete === true ? (['NODELETE'] as const) : [])];
  return {
    createRequest: {
      ...keys,
      startRevision,
      ...(filters.length > 0 ? { filters } : {}),
      ...(filter.prevKv === true ? { prevKv: true } : {}),
      ...(filter.progressNotify === true ? { progressNotify: true } : {}),
      ...(fragment ? { fragment } : {}),
      ...(watchId === undefined ? {} : { watchId }),
    },
  };
}
