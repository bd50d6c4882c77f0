import { isRecord } from '../codec/message.js';
import { EtcdError, type ErrorDetails } from '../errors/index.js';

/** The newest revision of the store that a client has seen, by the headers of all its answers. */
export class Revisions {
  private seen = 0;

  get newest(): number {
    return this.seen;
  }

  /** Notes that of an answer, decoded or not. @throws EtcdError `StaleRead` where the answer is older than it may be */
  take(answer: unknown, notBefore: number, where: ErrorDetails): void {
    const revision = revisionOf(answer);
    if (revision > this.seen) this.seen = revision;
    if (revision < notBefore)
      throw new EtcdError('StaleRead', `this member is at revision ${revision}, and ${notBefore} has been seen`, where);
  }
}

/** What is no revision counts as none: an answer that was not decoded can hold anything, and must not make all others look old. */
function revisionOf(answer: unknown): number {
  const header = isRecord(answer) ? answer['header'] : undefined;
  const given = isRecord(header) ? header['revision'] : undefined;
  const revision = typeof given === 'string' || typeof given === 'number' ? Number(given) : 0;
  return Number.isSafeInteger(revision) ? revision : 0;
}
