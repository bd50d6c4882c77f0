import type { INVALID } from '../../../src/codec/descriptors.js';

/** Returns the output of a codec, as a server reads it. */
export const sent = (text: string | typeof INVALID): unknown => JSON.parse(String(text));
