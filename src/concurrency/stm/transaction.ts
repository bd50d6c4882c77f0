import type { Observable } from 'rxjs';
import type { BytesLike } from '../../model/bytes.js';
import type { LeaseId } from '../../model/ids.js';
import type { KeyValue } from '../../model/keyValue.js';
import type { Range } from '../../model/range.js';

/** What the body of a transaction reads and writes with. Nothing is written before the body is done. */
export interface Transaction {
  /**
   * A key with its value, or undefined: what this transaction wrote to it, else what the store has. What it wrote has no revision and no version yet: they are 0.
   */
  get(key: BytesLike): Observable<KeyValue | undefined>;
  /**
   * The keys of a range with their values, in the order of the keys: what the store has, with what this transaction wrote. At the commit keys that came or went
   * since count as conflicts, too. It costs a compare for each key and one for the range, and a server takes 128 in all, unless it was set to more (`TooManyOps`).
   */
  range(range: Range): Observable<readonly KeyValue[]>;
  /** Writes a key at the commit. Without a lease it will hang on none. */
  put(key: BytesLike, value: BytesLike, options?: { readonly lease?: LeaseId }): void;
  /** Deletes the keys of a range at the commit: those that are there then. */
  delete(range: Range): void;
}
