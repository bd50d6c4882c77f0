/** Tracks the position of a stream over all its attempts: the revision to request next, and which items are new. */
export class RevisionCursor {
  readonly #wholeRevisions: boolean;
  /** The revision from which the caller wants items. It is used until the first item has arrived. */
  readonly #startRevision: number | undefined;
  /** The revision of the last delivered item, and the number of delivered items of that revision. */
  #last: { readonly revision: number; readonly count: number } | undefined;

  constructor(startRevision: number | undefined, wholeRevisions: boolean) {
    this.#startRevision = startRevision;
    this.#wholeRevisions = wholeRevisions;
  }

  get fromRevision(): number | undefined {
    if (this.#last === undefined) return this.#startRevision;
    return this.#wholeRevisions ? this.#last.revision + 1 : this.#last.revision;
  }

  /**
   * Begins another stream from {@link fromRevision}. Returns a function that is called with the revision of each item
   * of that stream. The function returns whether the item is new, and counts it if it is.
   */
  attempt(): (revision: number) => boolean {
    // The number of items with the last delivered revision that this stream has emitted. The items that were delivered
    // before are repeated first.
    let shown = 0;
    return (revision) => {
      const last = this.#last;
      if (revision < (last?.revision ?? this.#startRevision ?? revision)) return false;
      if (last?.revision === revision) {
        shown++;
        if (this.#wholeRevisions || shown <= last.count) return false;
      } else {
        shown = 1;
      }
      this.#last = { revision, count: shown };
      return true;
    };
  }
}

/** Anything that belongs to a revision of the store: a watch event, a whole revision, a decoded value. */
export interface Revisioned {
  readonly revision: number;
}

/** All changes of one revision of the store, such as those of a txn. */
export interface WholeRevision<E> extends Revisioned {
  readonly events: readonly E[];
}
