import type { Agenda, Appointment } from '../agenda.js';

/** What is done in rounds, until a time of its own is over. */
export interface RoundMember {
  /** Milliseconds until its time is over; 0 when it is. */
  readonly remainingMs: number;
  /** Its round has come. */
  onDue(): void;
  /** Its time is over, and it has not left the round since. */
  onEnd(): void;
}

/**
 * What is due at about the same time, done in one turn: what is done together costs less, and is due together ever after. There is one appointment for all of a round: for
 * when it comes, and then for the first of its members whose time is over. An appointment each would cost as much as all else about the refresh of a lease.
 */
export class Rounds {
  /** The last that was made for those who may come so much earlier. */
  private readonly latest = new Map<number, Round>();

  constructor(private readonly agenda: Agenda) {}

  /**
   * Puts a member down for a round in so many milliseconds.
   *
   * @param earlyMs so much earlier will do, if there is a round then
   */
  in(ms: number, earlyMs: number, member: RoundMember): Round {
    const at = this.agenda.now() + ms;
    let round = this.latest.get(earlyMs);
    if (round === undefined || !round.suits(at, earlyMs)) {
      round = new Round(this.agenda, at, ms, (ended) => {
        if (this.latest.get(earlyMs) === ended) this.latest.delete(earlyMs);
      });
      this.latest.set(earlyMs, round);
    }
    round.join(member);
    return round;
  }
}

/** Those who are in it leave it as soon as what it is for is done. */
export class Round {
  private readonly members = new Set<RoundMember>();
  private appointment: Appointment;

  /** @param onOver nobody else can join it any more */
  constructor(
    private readonly agenda: Agenda,
    private readonly at: number,
    ms: number,
    private readonly onOver: (round: Round) => void,
  ) {
    this.appointment = agenda.in(ms, () => this.run());
  }

  /** Whether who is due at that time, or so much earlier, may join it. */
  suits(at: number, earlyMs: number): boolean {
    return at - earlyMs <= this.at && this.at <= at;
  }

  join(member: RoundMember): void {
    this.members.add(member);
  }

  leave(member: RoundMember): void {
    if (!this.members.delete(member) || this.members.size > 0) return;
    this.onOver(this);
    this.appointment.cancel();
  }

  private run(): void {
    this.onOver(this);
    for (const member of [...this.members]) if (this.members.has(member)) member.onDue();
    this.awaitEnd();
  }

  private awaitEnd(): void {
    if (this.members.size === 0) return;
    let first = Infinity;
    for (const { remainingMs } of this.members) first = Math.min(first, remainingMs);
    this.appointment = this.agenda.in(first, () => {
      for (const member of [...this.members]) if (this.members.has(member) && member.remainingMs === 0) member.onEnd();
      this.awaitEnd();
    });
  }
}
