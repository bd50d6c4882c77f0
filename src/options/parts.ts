import { holding } from '../concurrency/coordination.js';
import { chunkedStream } from '../watch/streams/chunkedStream.js';
import type { Caller } from '../transport/call.js';
import { messagesOf } from '../transport/json/streamMessages.js';
import { authService } from '../services/auth.js';
import { clusterService } from '../services/cluster.js';
import { maintenanceService } from '../services/maintenance.js';
import { rawCall } from '../services/rawCall.js';
import { serverInfoService } from '../services/serverInfo.js';

/** The methods that concern servers and users, and not keys. `call`, which calls any RPC, is also one of them. */
export type Administration = ReturnType<typeof administration>;

/** Creates the methods for administration. They send their requests through the caller of a client. */
export function administration(caller: Caller) {
  return {
    auth: authService(caller),
    cluster: clusterService(caller),
    maintenance: maintenanceService(caller),
    ...serverInfoService(caller),
    call: rawCall(caller),
  };
}

/**
 * The parts of a client that most pages never use. A browser loads this module when one of them is first used. Other
 * platforms load it at the start.
 */
export const parts = { holding, administration, chunkedStream, messagesOf };

/** The type of {@link parts}. Each platform passes them to its clients. */
export type Parts = typeof parts;
