/** What happened to a key, as its writer knows it. */
export interface Written {
  readonly type: 'put' | 'delete';
  readonly key: string;
  /** Of a put; else empty. */
  readonly value: string;
}

/** What happened to a key. */
export interface Change extends Written {
  /** What was there before; undefined where there was nothing. */
  readonly before: string | undefined;
}

/** All that truly happened, by revision. */
export class History {
  private readonly byRevision = new Map<number, readonly Change[]>();
  /** Those that changed keys, in their order. */
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
