/** Replaces a secret. */
const REDACTED = '[redacted]';

/** The shortest secret that is also searched for within words. A shorter one, such as `a`, is in too many words. */
const SHORTEST_WITHIN_WORDS = 4;

/** The forms of each secret, and its reference count. */
const held = new Map<string, { readonly forms: readonly string[]; holders: number }>();

/**
 * Keeps a secret (a password, a token, the value of a header) out of error messages that quote a server. A server may
 * echo the request. It applies to all clients of the process, as an error does not know to which client its request
 * belongs.
 *
 * @returns a function that ends it; calling it again has no effect
 */
export function keepSecret(secret: string): () => void {
  if (secret === '') return () => undefined;
  const entry = held.get(secret) ?? { forms: formsOf(secret), holders: 0 };
  held.set(secret, entry);
  entry.holders += 1;
  let over = false;
  return () => {
    if (over) return;
    over = true;
    entry.holders -= 1;
    if (entry.holders === 0 && held.get(secret) === entry) held.delete(secret);
  };
}

/** Removes secrets from the text of a server. */
export function withoutSecrets(text: string): string {
  if (held.size === 0) return text;
  const forms = [...held.values()].flatMap((entry) => entry.forms);
  // The longest first, as a secret may be part of another.
  forms.sort((a, b) => b.length - a.length);
  return forms.reduce(replaced, text);
}

function replaced(text: string, form: string): string {
  const escaped = form.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
  const pattern = form.length < SHORTEST_WITHIN_WORDS ? `(?<!\\w)${escaped}(?!\\w)` : escaped;
  // Case is ignored, as the host of a URL is in lower case.
  return text.replace(new RegExp(pattern, 'gi'), REDACTED);
}

/**
 * Returns the forms in which a secret may appear: unchanged, in a URL, in base64, and in JSON. It may be ASCII JSON, as
 * in requests, or a request quoted as JSON.
 */
function formsOf(secret: string): readonly string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  const ascii = json.replace(/[^\x00-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const wellFormed = secret.toWellFormed();
  const bytes = Array.from(new TextEncoder().encode(wellFormed), (byte) => String.fromCharCode(byte)).join('');
  const base64 = btoa(bytes);
  return [
    ...new Set([
      secret,
      json,
      ascii,
      JSON.stringify(ascii).slice(1, -1),
      encodeURIComponent(wellFormed),
      base64,
      base64.replace(/=+$/, ''),
    ]),
  ];
}
