import type { Caller } from '../transport/call.js';
import { authService } from './auth.js';
import { clusterService } from './cluster.js';
import { maintenanceService } from './maintenance.js';
import { rawCall } from './rawCall.js';
import { serverInfoService } from './serverInfo.js';

/** The methods that concern servers and users rather than keys, and calls of any RPC. */
export type Administration = ReturnType<typeof administration>;

/** Creates these methods over the caller of a client. */
export function administration(caller: Caller) {
  return {
    auth: authService(caller),
    cluster: clusterService(caller),
    maintenance: maintenanceService(caller),
    ...serverInfoService(caller),
    call: rawCall(caller),
  };
}
