import type { RequestOf } from '../codec/rpc.js';
import type { watchRpcs } from '../codec/watch.js';
import { BOOLEAN, type OptionKinds } from '../model/checkOptions.js';
import type { KeyRange } from '../model/range.js';

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
export interface WatchTarget {
  readonly keys: KeyRange;
  readonly filter: WatchFilter;
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
export function createRequest({ keys, filter }: WatchTarget, startRevision: number, { fragment, watchId }: CreateOptions): WatchRequest {
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
