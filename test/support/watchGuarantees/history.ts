/** A change of a key, as its writer knows it. */
export interface Written {
  readonly type: 'put' | 'delete';
  readonly key: string;
  /** The value of a put; empty for a delete. */
  readonly value: string;
}

/** A change of a key, with the value before. */
export interface Change extends Written {
  /** The value before; undefined if the key did not exist. */
  readonly before: string | undefined;
}

/** All changes of the store, by revision. */
export class History {
  private readonly byRevision = new Map<number, readonly Change[]>();
  /** The revisions that changed keys, in order. */
  readonly revisions: readonly number[];

  constructor(written: ReadonlyMap<number, readonly Written[]>) {
    this.revisions = [...written.keys()].sort((a, b) => a - b);
    const values = new Map<string, string>();
    for (const revision of this.revisions) {
      const changes = (written.get(revision) ?? []).map((change) => ({ ...change, before: values.get(change.key) }));
      for (const { type, key, value } of changes) {
        if (type === 'put') values.set(key, value);
        else values.delete(key);
      }
      this.byRevision.set(revision, changes);
    }
  }

  get last(): number {
    return this.revisions.at(-1) ?? 0;
  }

  at(revision: number): readonly Change[] {
    return this.byRevision.get(revision) ?? [];
  }
}
