import type { AnswerOf } from '../codec/rpc.js';
import type { watchRpcs } from '../codec/watch.js';
import type { WatchReport } from './watchStream.js';

/** A watch is there. */
export function createdIn({ header }: AnswerOf<typeof watchRpcs.watch>, clusterId = header.clusterId): WatchReport {
  return { type: 'created', clusterId, revision: header.revision };
}

/** The news in a response of a watch. One without events is a bookmark: all up to its revision has been sent. */
export function newsIn({ header, events, fragment }: AnswerOf<typeof watchRpcs.watch>): WatchReport {
  const bookmark = events.length === 0 && !fragment;
  return { type: 'news', events, fragment, ...(bookmark ? { progress: header.revision } : {}) };
}
