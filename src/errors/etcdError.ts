import { codeOf, GRPC_CODES, type GrpcCode, grpcCode, type Reason, reasonOf } from './reasons.js';

/** Replaces a secret in messages. */
const REDACTED = '[redacted]';

/**
 * The minimum length of secrets that are also replaced within words. A shorter secret, such as `a`, occurs in too many
 * words.
 */
const SHORTEST_WITHIN_WORDS = 4;

/** The forms in which each secret may appear, and the reference count of the secret. */
const held = new Map<string, { readonly forms: readonly string[]; holders: number }>();

/**
 * Removes a secret (a password, a token, the value of a header) from error messages that quote a server. This is
 * necessary as a server may quote the request in its error. The secret is removed from the errors of all clients of the
 * process, as an error has no reference to its client.
 *
 * @returns a function that ends the removal; calling this function again has no effect
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

/** Removes secrets from a text that a server has sent. */
export function withoutSecrets(text: string): string {
  if (held.size === 0) return text;
  const forms = [...held.values()].flatMap((entry) => entry.forms);
  // The longest form is replaced first, as one secret may be part of another.
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
 * Returns the forms in which a secret may appear: unchanged, in a URL, in base64, and in JSON. The JSON may be in
 * ASCII, as in requests, and a server may quote a request as a JSON string.
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

/**
 * Marks errors of rxetcd. A check of this mark works across two copies of the package (ESM and CommonJS) and across
 * jest's realms, while `instanceof` does not.
 */
const BRAND = Symbol.for('rxetcd.EtcdError');

/** The details of an error: its code, the failed request, and the response. */
export interface ErrorDetails {
  /** The gRPC code; by default the code of the reason. */
  readonly code?: GrpcCode;
  /** The RPC, by etcd's name, such as `KV.Put`. */
  readonly rpc?: string | undefined;
  /** The endpoint of the request, such as `https://a:2379`. */
  readonly endpoint?: string | undefined;
  /** The HTTP status of the response. */
  readonly status?: number | undefined;
  /** The server's own text, without secrets. */
  readonly serverMessage?: string | undefined;
  /** The bytes that could not be read. */
  readonly bytes?: Uint8Array | undefined;
  readonly cause?: unknown;
}

/**
 * The base class of every error that rxetcd emits or throws. `reason` is the name of the error, usually etcd's own
 * name. `code` is its gRPC code, and `codeNumber` is the number of that code. `rpc` and `endpoint` describe the failed
 * request. No message contains a password, a token, a header, or the value of a key. Only `bytes`, and the entries of a
 * `PutAllError`, may contain values of keys.
 *
 * ```ts
 * etcd.kv.get('a', { revision: 1 }).subscribe({
 *   error: (error) => { if (hasReason(error, 'Compacted')) startOver(); },
 * });
 * ```
 */
export class EtcdError<R extends Reason = Reason> extends Error {
  override readonly name: string = 'EtcdError';
  readonly reason: R;
  readonly code: GrpcCode;
  readonly rpc: string | undefined;
  readonly endpoint: string | undefined;
  /** The HTTP status, if a response with a status other than 200 is the cause. */
  readonly status: number | undefined;
  /** The text of the server's error as it was sent, but without secrets. Undefined if the server sent no text. */
  readonly serverMessage: string | undefined;
  /**
   * The bytes of a stream that could not be read, for `MalformedResponse`. The bytes may contain values of keys. The
   * property is not enumerable, so that no log shows them.
   */
  declare readonly bytes: Uint8Array | undefined;

  constructor(reason: R, message: string, details: ErrorDetails = {}) {
    const where = whereOf(details);
    // If the message quotes another error, it may already end with the same RPC and endpoint.
    super(message.endsWith(where) ? message : message + where, details.cause === undefined ? undefined : { cause: details.cause });
    this.reason = reason;
    this.code = details.code ?? codeOf(reason);
    this.rpc = details.rpc;
    this.endpoint = details.endpoint;
    this.status = details.status;
    this.serverMessage = details.serverMessage;
    if (details.bytes !== undefined) Object.defineProperty(this, 'bytes', { value: details.bytes });
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** The gRPC number of {@link code}: 0 to 16. */
  get codeNumber(): number {
    return GRPC_CODES.indexOf(this.code);
  }

  /** Returns the form for logs. Without this method, JSON of an `Error` would lack its message. */
  toJSON(): object {
    return Object.assign({}, this, { message: this.message });
  }
}

function whereOf({ rpc, endpoint }: ErrorDetails): string {
  if (rpc !== undefined && endpoint !== undefined) return ` (${rpc} at ${endpoint})`;
  if (rpc !== undefined) return ` (${rpc})`;
  return endpoint === undefined ? '' : ` (at ${endpoint})`;
}

/** Returns whether a value is an error of rxetcd, of any copy of the package. */
export function isEtcdError(error: unknown): error is EtcdError {
  return typeof error === 'object' && error !== null && BRAND in error;
}

/**
 * The error of a call that requires compacted history. `compactRevision` is the oldest revision that still exists, if
 * the server sent it.
 */
export class CompactedError extends EtcdError<'Compacted'> {
  override readonly name: string = 'CompactedError';
  readonly compactRevision: number | undefined;

  constructor(message: string, details: ErrorDetails & { readonly compactRevision?: number } = {}) {
    super('Compacted', message, details);
    this.compactRevision = details.compactRevision;
  }
}

/**
 * The error of a write whose outcome is unknown: the write was sent, and may have been carried out, or may be carried
 * out later. rxetcd does not retry the write. Read the key (or write with a compare on its revision) to find out.
 * `cause` is the failure of the request.
 */
export class AmbiguousWriteError extends EtcdError<'AmbiguousWrite'> {
  override readonly name: string = 'AmbiguousWriteError';
  override readonly cause: EtcdError;

  constructor(cause: EtcdError) {
    super('AmbiguousWrite', `the write may or may not have been carried out: ${cause.message}`, {
      cause,
      rpc: cause.rpc,
      endpoint: cause.endpoint,
      status: cause.status,
      serverMessage: cause.serverMessage,
    });
    this.cause = cause;
  }
}

/**
 * The error of a call for which the server is too old: it does not support the RPC, or a field of the request.
 * `required` and `found` are versions such as `3.4` and `3.3.25`.
 */
export class UnsupportedServerVersionError extends EtcdError<'UnsupportedServerVersion'> {
  override readonly name: string = 'UnsupportedServerVersionError';
  readonly required: string;
  readonly found: string;

  constructor(what: string, details: ErrorDetails & { readonly required: string; readonly found: string }) {
    const found = withoutSecrets(details.found);
    super('UnsupportedServerVersion', `${what} needs etcd ${details.required} or newer; this server is ${found}`, details);
    this.required = details.required;
    this.found = found;
  }
}

/**
 * The error for an invalid option of `createClient`, or an invalid argument of `withAuth` or `setEndpoints`. A call
 * errors with it if the function of `retry` fails. `option` is the path of the option, such as `endpoints[1]` or
 * `auth.password`.
 */
export class InvalidOptionError extends EtcdError<'InvalidOption'> {
  override readonly name: string = 'InvalidOptionError';
  readonly option: string;

  constructor(option: string, problem: string, details: ErrorDetails = {}) {
    super('InvalidOption', `option ${option}: ${problem}`, details);
    this.option = option;
  }
}

/**
 * The error for a value that the codec rejected. The value is that of `key`. `failures` has a line for each invalid
 * place with the reason, but without the value.
 */
export class InvalidValueError extends EtcdError<'InvalidValue'> {
  override readonly name: string = 'InvalidValueError';
  readonly key: string;
  readonly failures: readonly string[];

  constructor(key: string, failures: readonly string[], cause?: unknown) {
    super('InvalidValue', `the value of ${JSON.stringify(key)} is not valid: ${failures.join('; ')}`, { cause });
    this.key = key;
    this.failures = failures;
  }
}

interface Kinds {
  Compacted: CompactedError;
  AmbiguousWrite: AmbiguousWriteError;
  UnsupportedServerVersion: UnsupportedServerVersionError;
  InvalidOption: InvalidOptionError;
  InvalidValue: InvalidValueError;
}

/** The class of the errors that have a given reason. */
export type EtcdErrorOf<R extends Reason> = R extends keyof Kinds ? Kinds[R] : EtcdError<R>;

/**
 * Returns whether a value is an error of rxetcd with one of these reasons: `hasReason(error, 'Compacted',
 * 'FutureRev')`.
 */
export function hasReason<R extends Reason>(error: unknown, ...reasons: readonly R[]): error is EtcdErrorOf<R> {
  return isEtcdError(error) && (reasons as readonly Reason[]).includes(error.reason);
}

/**
 * gRPC's message for a call that was interrupted. With the code `DeadlineExceeded` it means that the deadline passed at
 * the gateway before it passed at etcd. This was seen on 3.5.30, in one call of ten.
 */
const CUT_OFF = /^stream terminated by RST_STREAM with error code: CANCEL$/;
const CANCELED = /(?:^|desc = )context canceled$/;

/**
 * Creates an error from the text that a server has sent, without secrets. The text takes precedence over the code, as
 * some services use one code for all errors.
 */
export function serverError(said: string, code: GrpcCode, details: ErrorDetails): EtcdError {
  const reason = reasonOf(said) ?? (code === 'DeadlineExceeded' && CUT_OFF.test(said) ? 'DeadlineExceeded' : undefined);
  // A known message of etcd contains nothing of the request. So it is not changed, even if a password equals one of its
  // words.
  const text = reason === undefined || reason === 'Stopped' ? withoutSecrets(said) : said;
  const withText = { ...details, serverMessage: text };
  if (reason === 'Compacted') return new CompactedError(text, withText);
  if (reason !== undefined) return new EtcdError(reason, text, withText);
  return new EtcdError(code === 'Unimplemented' ? 'UnknownMethod' : 'Unknown', text === '' ? `gRPC code ${code}` : text, {
    ...withText,
    // Some services of etcd send this message of Go's `context` with code 2. It has the same meaning as code 1.
    code: CANCELED.test(text) ? 'Canceled' : code,
  });
}

/**
 * Returns the error for a server's text and code, by rxetcd's table. Use it for errors that a program receives in
 * another way, such as from a proxy's log. If the table does not have the text, the reason is `UnknownMethod` for the
 * code `Unimplemented`, and `Unknown` for other codes.
 *
 * ```ts
 * import { errorFrom } from 'rxetcd';
 *
 * const error = errorFrom('etcdserver: mvcc: required revision has been compacted', 11);
 * console.log(error.reason, error.code);
 * ```
 *
 * @param code the gRPC code, by name or number; `Unknown` by default. If the table has the text, the code is not used
 */
export function errorFrom(text: string, code: GrpcCode | number = 'Unknown'): EtcdError {
  return serverError(text, typeof code === 'number' ? grpcCode(code) : code, {});
}
