/** Anything that belongs to a revision of the store: a watch event, a whole revision, a decoded value. */
export interface Revisioned {
  readonly revision: number;
}

/** Everything that happened at one revision of the store: what a transaction changed, together. */
export interface WholeRevision<E> extends Revisioned {
  readonly events: readonly E[];
}
