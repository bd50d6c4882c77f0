import type { Agenda, Appointment } from './agenda.js';
import { moment, since } from './clock.js';

/**
 * Tells a stream on which answers are outstanding and none comes from one that is slow but answers, with one appointment for all of them. An answer only notes when
 * it came: where thousands come, an appointment for each would cost more than all else about it.
 */
export class Silence {
  private outstanding = 0;
  /** That of the most impatient since the last time that nothing was outstanding. */
  private patienceMs = Infinity;
  /** Since when nothing has come that was to come. */
  private from = moment();
  private end: Appointment | undefined;
  private onSilence: (ms: number) => void = () => undefined;

  constructor(private readonly agenda: Agenda) {}

  /** Something was asked, and is to be answered: by then, or something else before it. */
  asked(patienceMs: number, onSilence: (ms: number) => void): void {
    this.outstanding += 1;
    this.onSilence = onSilence;
    if (patienceMs >= this.patienceMs) return;
    this.patienceMs = patienceMs;
    this.from = moment();
    this.listen(patienceMs);
  }

  /** Something was answered. */
  answered(): void {
    this.outstanding -= 1;
    this.from = moment();
    if (this.outstanding === 0) this.forget();
  }

  /** Nothing is outstanding any more. */
  forget(): void {
    this.end?.cancel();
    this.outstanding = 0;
    this.patienceMs = Infinity;
  }

  private listen(ms: number): void {
    this.end?.cancel();
    this.end = this.agenda.in(ms, () => {
      const leftMs = this.patienceMs - since(this.from);
      if (leftMs > 0) this.listen(leftMs);
      else this.onSilence(this.patienceMs);
    });
  }
}
