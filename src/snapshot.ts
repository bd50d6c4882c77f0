import { concat, defer, map, throwError, EMPTY, type Observable } from 'rxjs';
import { maintenanceRpcs } from './codec/maintenance.js';
import { EtcdError } from './errors/index.js';
import type { Caller, CallOptions } from './transport/call.js';

/** A part of a snapshot, and how far it is. */
export interface SnapshotPart {
  readonly blob: Uint8Array;
  /** Bytes that have come, this part's among them. */
  readonly bytesSent: number;
  /** Bytes that are still to come; 0 in the last part. */
  readonly remainingBytes: number;
}

/** A member's database in parts. A stream that ends early is an error, never a short file. */
export function snapshot(caller: Caller, options?: CallOptions): Observable<SnapshotPart> {
  return defer(() => {
    let bytesSent = 0;
    let complete = false;
    const parts = caller.stream(maintenanceRpcs.snapshot, {}, options).pipe(
      map(({ blob, remainingBytes }): SnapshotPart => {
        bytesSent += blob.length;
        complete = remainingBytes === 0;
        return { blob, bytesSent, remainingBytes };
      }),
    );
    const cutShort = (): EtcdError =>
      new EtcdError('ConnectionLost', `the snapshot ended after ${bytesSent} bytes, before it was complete`, {
        rpc: maintenanceRpcs.snapshot.name,
      });
    return concat(
      parts,
      defer(() => (complete ? EMPTY : throwError(() => cutShort()))),
    );
  });
}
