import type { Agenda, Appointment } from './agenda.js';

/** Tells a stream on which answers are outstanding and none comes from one that is slow but answers, with one appointment for all of them. */
export class Silence {
  private outstanding = 0;
  /** That of the most impatient since the last time that nothing was outstanding. */
  private patienceMs = Infinity;
  private end: Appointment | undefined;
  private onSilence: (ms: number) => void = () => undefined;

  constructor(private readonly agenda: Agenda) {}

  /** Something was asked, and is to be answered: by then, or something else before it. */
  asked(patienceMs: number, onSilence: (ms: number) => void): void {
    this.outstanding += 1;
    this.onSilence = onSilence;
    if (patienceMs >= this.patienceMs) return;
    this.patienceMs = patienceMs;
    this.listen();
  }

  /** Something was answered. */
  answered(): void {
    this.outstanding -= 1;
    if (this.outstanding > 0) this.listen();
    else this.forget();
  }

  /** Nothing is outstanding any more. */
  forget(): void {
    this.end?.cancel();
    this.outstanding = 0;
    this.patienceMs = Infinity;
  }

  private listen(): void {
    this.end?.cancel();
    this.end = this.agenda.in(this.patienceMs, () => this.onSilence(this.patienceMs));
  }
}
