import { toBase64 } from './bytes.js';
import type { KeyValue } from './keyValue.js';

const NOT_UTF8 = '\uFFFD';

/**
 * A string that is a key's own: its text, or, where bytes may have been lost in reading them as UTF-8, U+FFFD and the bytes in base64.
 * Two keys that are not UTF-8 can have the same text; they never have the same id.
 */
export function keyId(kv: KeyValue): string {
  const { key } = kv;
  return key.includes(NOT_UTF8) ? NOT_UTF8 + toBase64(kv.keyBytes) : key;
}
