import { EtcdError, isEtcdError } from '../../src/errors/index.js';
import { keyText, type PutEntry } from './putEntry.js';

const SHOWN = 3;

/**
 * `putAll` stopped, as a txn failed. `cause` is the error of the txn, and `reason` is that of `cause`. It is
 * `AmbiguousWrite` if it is unknown whether any entry was written, and otherwise the server's refusal. An entry
 * of the source was either emitted as written, or is in {@link open} or {@link unwritten}.
 */
export class PutAllError<E extends PutEntry = PutEntry> extends EtcdError {
  override readonly name: string = 'PutAllError';
  override readonly cause: EtcdError;
  // Behind getters, so that neither a log nor JSON shows the values.
  readonly #open: readonly E[];
  readonly #unwritten: readonly E[];

  constructor(cause: EtcdError, open: readonly E[], unwritten: readonly E[]) {
    const { rpc, endpoint, code } = cause;
    const fates = [fateOf(open, 'may or may not have been written'), fateOf(unwritten, 'not written')].filter((fate) => fate !== '');
    super(cause.reason, `putAll stopped: ${fates.join('; ')}: ${cause.message}`, { cause, rpc, endpoint, code });
    this.cause = cause;
    this.#open = open;
    this.#unwritten = unwritten;
  }

  /**
   * Entries that may or may not have been written, or may yet be: their txn was sent, and its outcome is unknown. In
   * the order of the source.
   */
  get open(): readonly E[] {
    return this.#open;
  }

  /** Entries that were not written: their txn was refused, or was not sent any more. In the order of the source. */
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

/** Tells whether an error is that of `putAll`, which says what became of the entries, from any copy of the package. */
export function isPutAllError(error: unknown): error is PutAllError {
  return isEtcdError(error) && 'open' in error && 'unwritten' in error;
}
