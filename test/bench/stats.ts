/** Returns the value below which a share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)] ?? NaN;
  const above = sorted[Math.ceil(at)] ?? NaN;
  return below + (above - below) * (at - Math.floor(at));
}

/** Returns the lowest value: the one with the least effect of other work on the machine. */
export const least = (values: readonly number[]): number => Math.min(...values);

/** Returns the median: a short stall of the machine does not change it. */
export const median = (values: readonly number[]): number => quantile(values, 0.5);
