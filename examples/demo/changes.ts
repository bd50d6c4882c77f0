/** A field with a new value. */
export interface Change {
  readonly field: string;
  readonly from: unknown;
  readonly to: unknown;
}

/** Lists the fields that differ in `after`. */
export function changesBetween(before: object, after: object): readonly Change[] {
  const old = new Map(Object.entries(before));
  return Object.entries(after)
    .map(([field, to]): Change => ({ field, from: old.get(field), to }))
    .filter(({ from, to }) => from !== to);
}
