import { isRecord } from './message.js';
import type { WireKind } from './wire.js';

/** A field of a request that some servers do not know, and would ignore in silence. */
export interface NewerField {
  readonly field: string;
  readonly since: string;
}

/**
 * The first field set in a request, by our names, that the server is too old for. An old server ignores what it does not know: it would add a full member
 * where a learner was asked for.
 *
 * @param knows whether the server is at least of that version
 */
export function newerField(kind: WireKind | undefined, request: unknown, knows: (since: string) => boolean): NewerField | undefined {
  if (kind?.is === 'array' && Array.isArray(request)) {
    for (const item of request as readonly unknown[]) {
      const found = newerField(kind.of, item, knows);
      if (found !== undefined) return found;
    }
  }
  if (kind?.is !== 'message' || !isRecord(request)) return undefined;
  for (const [name, { type, since }] of kind.fields()) {
    const value = request[name];
    if (value === undefined || value === false) continue;
    if (since !== undefined && !knows(since)) return { field: `${kind.name}.${name}`, since };
    const found = newerField(type.kind, value, knows);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The newest `since` of any field of a request: servers from here on need no look. A test holds it against the codecs. */
export const NEWEST_FIELD = '3.5';
