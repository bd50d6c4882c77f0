import { EtcdError, isEtcdError } from '../../src/errors/index.js';
import { keyText, type PutEntry } from './putEntry.js';

const SHOWN = 3;

/**
 * The error of `putAll` after a txn failed. `cause` is the error of the txn, and `reason` is the reason of `cause`. If
 * the outcome of any txn is unknown, the reason is `AmbiguousWrite`; if not, it is the reason of the server's
 * rejection. Each entry of the source was either emitted as written, or is in {@link ambiguous} or {@link unwritten}.
 */
export class PutAllError<E extends PutEntry = PutEntry> extends EtcdError {
  override readonly name: string = 'PutAllError';
  override readonly cause: EtcdError;
  // The entries are read through getters, so that logs and JSON do not show the values.
  readonly #ambiguous: readonly E[];
  readonly #unwritten: readonly E[];

  constructor(cause: EtcdError, ambiguous: readonly E[], unwritten: readonly E[]) {
    const { rpc, endpoint, code } = cause;
    const fates = [fateOf(ambiguous, 'may or may not have been written'), fateOf(unwritten, 'not written')].filter((fate) => fate !== '');
    super(cause.reason, `putAll stopped: ${fates.join('; ')}: ${cause.message}`, { cause, rpc, endpoint, code });
    this.cause = cause;
    this.#ambiguous = ambiguous;
    this.#unwritten = unwritten;
  }

  /**
   * The entries whose txn was sent with an unknown outcome, in the order of the source. They may have been written
   * already, or may be written later.
   */
  get ambiguous(): readonly E[] {
    return this.#ambiguous;
  }

  /** The entries that were not written, in the order of the source. Their txn was rejected, or was never sent. */
  get unwritten(): readonly E[] {
    return this.#unwritten;
  }
}

function fateOf(entries: readonly PutEntry[], fate: string): string {
  if (entries.length === 0) return '';
  const keys = entries.slice(0, SHOWN).map(({ key }) => keyText(key));
  const more = entries.length - keys.length;
  return `${entries.length} ${entries.length === 1 ? 'entry' : 'entries'} ${fate} (${keys.join(', ')}${more > 0 ? ` and ${more} more` : ''})`;
}

/** Returns whether an error is a {@link PutAllError}, even if it is from another copy of the package. */
export function isPutAllError(error: unknown): error is PutAllError {
  return isEtcdError(error) && 'ambiguous' in error && 'unwritten' in error;
}
