import { BOOLEAN, FROM_ZERO, LEASE, oneOf, type OptionKinds } from './validate.js';
import type { DeleteOptions, PutOptions, RangeOptions, ReadOptions } from './op.js';

/** What the options of reads and writes may be, by themselves as in a txn. */

export const PUT_OPTIONS: OptionKinds<PutOptions> = { lease: LEASE, prevKv: BOOLEAN, ignoreValue: BOOLEAN, ignoreLease: BOOLEAN };

export const DELETE_OPTIONS: OptionKinds<DeleteOptions> = { prevKv: BOOLEAN };

export const READ_OPTIONS: OptionKinds<ReadOptions> = { revision: FROM_ZERO, serializable: BOOLEAN };

export const RANGE_OPTIONS: OptionKinds<RangeOptions> = {
  ...READ_OPTIONS,
  limit: FROM_ZERO,
  sortOrder: oneOf('NONE', 'ASCEND', 'DESCEND'),
  sortTarget: oneOf('KEY', 'VERSION', 'CREATE', 'MOD', 'VALUE'),
  keysOnly: BOOLEAN,
  countOnly: BOOLEAN,
  minModRevision: FROM_ZERO,
  maxModRevision: FROM_ZERO,
  minCreateRevision: FROM_ZERO,
  maxCreateRevision: FROM_ZERO,
};
