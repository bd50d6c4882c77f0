import type { Caller } from '../transport/call.js';
import type { WatchConnections } from './connections.js';
import type { ConnectionSettings } from './settings.js';
import type { WatchStream } from './watchStream.js';

/** Where a watch begins. */
export interface WatchStart {
  /** The first revision to report. */
  readonly next: number;
  /** The highest revision that the store is known to have had; 0 where that is not known. */
  readonly seen: number;
}

/** Right behind a revision that the store has. */
export const after = (seen: number): WatchStart => ({ next: seen + 1, seen });

/** What a watch is made with. */
export interface WatcherMeans {
  readonly caller: Caller;
  readonly connections: Pick<WatchConnections, 'join' | 'leave' | 'enter' | 'exit' | 'track' | 'state' | 'troubled'>;
  readonly settings: ConnectionSettings;
  /** A stream as it is for those within a namespace. */
  readonly within?: (stream: WatchStream) => WatchStream;
}
