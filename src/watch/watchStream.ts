import type { WatchNews } from './cursor.js';
import type { WatchTarget } from './messages.js';
import type { Source } from './refCounted.js';
import type { StoreSighting } from './storeIdentity.js';

/** What a server says on a watch: first that it is there, then its news. */
export type WatchReport = ({ readonly type: 'created' } & StoreSighting) | ({ readonly type: 'news' } & WatchNews);

/** A stream on which watches can be made. */
export interface WatchStream {
  /**
   * Creates a watch; unsubscribing cancels it. It errors with an `EtcdError` where the server refuses or ends this watch; that the stream broke is told
   * as `StreamLost`, by the stream itself where it carries many.
   */
  watch(target: WatchTarget, startRevision: number): Source<WatchReport>;
}
