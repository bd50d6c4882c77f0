import { EtcdError, isEtcdError, type ErrorDetails } from './etcdError.js';
import type { Reason } from './reasons.js';

/** The history that was asked for is gone. `compactRevision` is the oldest revision still there, where the server said it. */
export class CompactedError extends EtcdError<'Compacted'> {
  readonly compactRevision: number | undefined;

  constructor(message: string, details: ErrorDetails & { readonly compactRevision?: number } = {}) {
    super('Compacted', message, details);
    this.compactRevision = details.compactRevision;
  }
}

/**
 * A write was sent, and no answer says whether it was carried out: it may have been, or may yet be. rxetcd does not repeat it by itself. Read the key
 * back (or write through a compare on its revision) to find out. `cause` is what broke.
 */
export class AmbiguousWriteError extends EtcdError<'AmbiguousWrite'> {
  override readonly cause: EtcdError;

  constructor(cause: EtcdError) {
    super('AmbiguousWrite', `the write may or may not have been carried out: ${cause.message}`, {
      cause,
      rpc: cause.rpc,
      endpoint: cause.endpoint,
    });
    this.cause = cause;
  }
}

/** The server lacks an RPC or a field of it. `required` and `found` are versions such as `3.4` and `3.3.25`. */
export class UnsupportedServerVersionError extends EtcdError<'UnsupportedServerVersion'> {
  readonly required: string;
  readonly found: string;

  constructor(what: string, details: ErrorDetails & { readonly required: string; readonly found: string }) {
    super('UnsupportedServerVersion', `${what} needs etcd ${details.required} or newer; this server is ${details.found}`, details);
    this.required = details.required;
    this.found = details.found;
  }
}

/** An option of `createClient` is wrong; `option` is its path, such as `endpoints[1]` or `auth.password`. */
export class InvalidOptionError extends EtcdError<'InvalidOption'> {
  readonly option: string;

  constructor(option: string, problem: string, details: ErrorDetails = {}) {
    super('InvalidOption', `option ${option}: ${problem}`, details);
    this.option = option;
  }
}

/** What is stored under `key` is not what the codec wants; `failures` says where and why, a line each, without the value. */
export class InvalidValueError extends EtcdError<'InvalidValue'> {
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

/** The class of error that comes with a reason. */
export type EtcdErrorOf<R extends Reason> = R extends keyof Kinds ? Kinds[R] : EtcdError<R>;

/** True for an error of rxetcd with one of these reasons: `hasReason(error, 'Compacted', 'FutureRev')`. */
export function hasReason<R extends Reason>(error: unknown, ...reasons: readonly R[]): error is EtcdErrorOf<R> {
  return isEtcdError(error) && (reasons as readonly Reason[]).includes(error.reason);
}
