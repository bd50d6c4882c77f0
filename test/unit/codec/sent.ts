import type { INVALID } from '../../../src/codec/descriptors.js';

/** What a codec has written, as a server reads it. */
export const sent = (text: string | typeof INVALID): unknown => JSON.parse(String(text));
