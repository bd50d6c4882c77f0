const NOT_BASE64 = /[^A-Za-z0-9+/=]/;

/** One character after another: on any runtime, and quickest for a key. */
function looksLikeBase64(text: string): boolean {
  // Looking for what should not be there takes half the time of matching all that should, and no stack for a value of megabytes.
  if (text.length % 4 !== 0 || NOT_BASE64.test(text)) return false;
  const padding = text.indexOf('=');
  return padding === -1 || (padding >= text.length - 2 && text.endsWith('='));
}

interface NodeBuffer {
  alloc(size: number): { write(text: string, encoding: 'base64'): number };
}

/** From here on Node's decoder is quicker than a regular expression: three times at 256 bytes. */
const LONG = 96;
/** More than most values; what is longer is checked as on any runtime. */
const SCRATCH_BYTES = 16_384;

/**
 * By decoding it into scratch memory: Node skips what is not base64, so that less comes out than should. (It takes the url-safe alphabet too, which decodes
 * to the same bytes.)
 */
function byDecoding(buffer: NodeBuffer): (text: string) => boolean {
  const scratch = buffer.alloc(SCRATCH_BYTES);
  return (text) => {
    if (text.length < LONG || text.length > SCRATCH_BYTES) return looksLikeBase64(text);
    if (text.length % 4 !== 0) return false;
    const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
    return scratch.write(text, 'base64') === (text.length / 4) * 3 - padding;
  };
}

const nodeBuffer = (globalThis as { Buffer?: unknown }).Buffer as NodeBuffer | undefined;

/** True for padded standard base64, which is all that a gateway sends. */
export const isBase64: (text: string) => boolean = nodeBuffer === undefined ? looksLikeBase64 : byDecoding(nodeBuffer);
