import type { EtcdError } from '../errors/index.js';

/**
 * Reports that an ownership was lost and that the next one is awaited. It has no field of an ownership, so that code
 * which confuses the two does not compile.
 */
export interface OwnershipLost {
  readonly type: 'lost';
  /** The reason of the loss. */
  readonly error: EtcdError;
}

/**
 * Reports each ownership and each loss (`onLost: 'reacquire'`).
 * - `owned`: it is owned from now on, with a new `revision` and a new `guard`
 * - `lost`: it is no longer owned, or not for certain: stop the work under it. Another `owned` follows
 */
export type OwnershipEvent<T extends object> = (T & { readonly type: 'owned' }) | OwnershipLost;
