/** Collects garbage; without `--expose-gc` it does nothing. */
export const collectGarbage = (): void => globalThis.gc?.();

/** Returns the number of bytes on the heap after garbage collection. */
export function heapInUse(): number {
  // The second collection frees objects that the first one released.
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
