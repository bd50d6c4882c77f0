/** The value below which a share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)] ?? NaN;
  const above = sorted[Math.ceil(at)] ?? NaN;
  return below + (above - below) * (at - Math.floor(at));
}

/** The least value: what other work on the machine added the least to. */
export const least = (values: readonly number[]): number => Math.min(...values);

/** The value in the middle: what a machine that was busy for a moment does not move. */
export const median = (values: readonly number[]): number => quantile(values, 0.5);
