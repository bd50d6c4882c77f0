/** Clears away what nobody holds; without `--expose-gc` it does nothing. */
export const collectGarbage = (): void => globalThis.gc?.();

/** Bytes on the heap that somebody holds. */
export function heapInUse(): number {
  // Once to let go, and once more for what was let go of by that.
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
