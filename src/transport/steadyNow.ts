/**
 * Milliseconds by a clock that nobody sets, from some moment on. A deadline or a pause by the wall clock would be over at once when that is set forward, and last for the
 * hour by which it is set back.
 */
export const steadyNow = (): number => performance.now();
