/**
 * How far a transaction is kept apart from others, by the names of etcd's Go client.
 * - `serializableSnapshot`: it reads the store as of one revision, and is committed only if nothing that it read or writes has changed since
 * - `serializable`: the same, but what it only writes may have changed
 * - `repeatableReads`: each key is read as it is at its first read, and is committed only if nothing that it read has changed since
 * - `readCommitted`: each read shows what is committed by then; nothing is checked
 */
export type Isolation = 'serializableSnapshot' | 'serializable' | 'repeatableReads' | 'readCommitted';

/** What an isolation means for the reads and the commit. */
export interface Level {
  /** All reads are of the revision of the first. */
  readonly pinned: boolean;
  /** What was read once is not read again, and must be the same at the commit. */
  readonly readsHold: boolean;
  /** What is written must be as it was at the first read. */
  readonly writesHold: boolean;
}

export const LEVELS: Readonly<Record<Isolation, Level>> = {
  serializableSnapshot: { pinned: true, readsHold: true, writesHold: true },
  serializable: { pinned: true, readsHold: true, writesHold: false },
  repeatableReads: { pinned: false, readsHold: true, writesHold: false },
  readCommitted: { pinned: false, readsHold: false, writesHold: false },
};
