/**
 * How far a stream has been delivered, through all its attempts: what to ask for next, and which items of it are new.
 */
export class RevisionCursor {
  readonly #wholeRevisions: boolean;
  /** The revision that the caller wants to start at, until an item has come. */
  readonly #startRevision: number | undefined;
  /** The revision of the last delivered item, and how many of its items have been delivered. */
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
   * Begins another stream from {@link fromRevision}. Returns a function that is called with the revision of each of
   * its items, and returns whether that item is new. Then it counts as delivered.
   */
  attempt(): (revision: number) => boolean {
    // How many items of the last delivered revision this stream has shown: as many as were delivered before are
    // repeats.
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

/** Everything that happened at one revision of the store: what a transaction changed, together. */
export interface WholeRevision<E> extends Revisioned {
  readonly events: readonly E[];
}
