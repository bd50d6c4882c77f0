/** A figure at a size. */
export type Point = readonly [size: number, figure: number];

/**
 * Fits `figure = factor × size ^ exponent` by least squares on the logarithms. Returns the exponent, or undefined for
 * fewer than two sizes or for a figure that is not positive, as it has no logarithm.
 */
export function exponentOf(points: readonly Point[]): number | undefined {
  if (new Set(points.map(([size]) => size)).size < 2) return undefined;
  if (points.some(([size, figure]) => !(size > 0 && figure > 0))) return undefined;
  const logs = points.map(([size, figure]) => [Math.log(size), Math.log(figure)] as const);
  const meanX = mean(logs.map(([x]) => x));
  const meanY = mean(logs.map(([, y]) => y));
  const covariance = mean(logs.map(([x, y]) => (x - meanX) * (y - meanY)));
  const variance = mean(logs.map(([x]) => (x - meanX) ** 2));
  return covariance / variance;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
