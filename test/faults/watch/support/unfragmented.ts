import { map, ReplaySubject } from 'rxjs';
import type { ClientOptions } from '../../../../src/index.js';
import { settingsOf } from '../../../../src/options/clientOptions.js';
import type { Caller } from '../../../../src/transport/call.js';
import { createCaller } from '../../../../src/transport/caller.js';
import { TlsSource } from '../../../../src/transport/tls/certificates.js';
import { undiciTransport } from '../../../../src/transport/http/undiciTransport.js';
import { parseVersion } from '../../../../src/transport/endpoints/version.js';
import { WatchConnections } from '../../../../src/watch/connections.js';
import { watches, type Watches } from '../../../../src/watch/watch.js';

/** The watches of a client that takes each server for one that cannot split its messages. */
export function unfragmentedWatches(options: ClientOptions): Watches & { close(): Promise<void> } {
  const settings = settingsOf(options);
  const caller = createCaller(undiciTransport({ ...settings, tls: new TlsSource(settings.tls) }), settings);
  const closed = new ReplaySubject<void>(1);
  const old: Caller = {
    ...caller,
    channel: (rpc) => caller.channel(rpc).pipe(map((channel) => ({ ...channel, version: parseVersion('3.3.0') }))),
  };
  const connections = new WatchConnections(old, settings.streams);
  return {
    ...watches({ caller: old, connections, settings: settings.streams }, closed, settings.streams.graceMs),
    close: async () => {
      closed.next();
      await caller.close();
    },
  };
}
