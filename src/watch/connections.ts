import { watchRpcs } from '../codec/watch.js';
import type { Caller } from '../transport/call.js';
import { chunkedStream } from './streams/chunkedStream.js';
import { duplexStream } from './streams/duplexStream.js';
import type { ConnectionSettings } from './settings.js';
import { StreamConnections } from './streams/streamManager.js';
import type { WatchStream } from './watchStream.js';

/** The streams under the watches of a client. */
export class WatchConnections extends StreamConnections<WatchStream> {
  constructor(caller: Caller, settings: ConnectionSettings) {
    super(
      () => caller.channel(watchRpcs.watch),
      settings,
      (channel, outcomes) =>
        channel.duplex === undefined
          ? chunkedStream(caller, channel, settings, outcomes)
          : duplexStream(channel.duplex, channel, settings, outcomes),
    );
  }
}
