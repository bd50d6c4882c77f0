import type { KeyValue } from './keyValue.js';

/** Whether a key is the one that it was, and as it was. Its revision alone does not tell: a store that was wiped counts from the beginning again. */
export function isUnchanged(before: KeyValue | undefined, now: KeyValue | undefined): boolean {
  if (before === undefined || now === undefined) return before === now;
  return before.key === now.key && now.isUnchangedSince(before);
}
