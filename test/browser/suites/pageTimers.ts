/** `node:timers/promises` in a page. */
export const setTimeout = (ms: number): Promise<void> => new Promise((resolve) => void globalThis.setTimeout(resolve, ms));
