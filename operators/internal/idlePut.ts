import { NEVER, Observable } from 'rxjs';
import { BulkPut, type BulkLimits } from './bulkWriter.js';
import { Pulled } from './iterableSource.js';
import type { PutEntry } from './putEntry.js';

let idle: Pulled<PutEntry> | undefined;

/**
 * Keeps one that never begins, from the first use on. V8 forgets how a class is laid out when a full collection finds no instance of it, and with that throws away all
 * code that it has optimised for it: each use that follows another would begin slowly, and cost a second core for optimising it anew.
 */
export function keepIdle(limits: BulkLimits): void {
  if (idle !== undefined) return;
  const begun = new Observable<never>((subscriber) => {
    idle = new Pulled([], new BulkPut({ txn: () => NEVER }, limits, subscriber));
  });
  begun.subscribe();
}
