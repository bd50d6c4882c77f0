import { asyncScheduler, type Observer, type Unsubscribable } from 'rxjs';
import type { Company } from './lightObservable.js';

/** What can be subscribed to: an Observable, or what holds less. */
export interface Source<T> {
  subscribe(observer: Observer<T>): Unsubscribable;
}

/**
 * How a source is shared.
 *
 * @typeParam K what is kept of the last value
 */
export interface Sharing<T, K = T> {
  /** How long it goes on without anybody who is there; without it, no longer than they are. */
  readonly graceMs?: number;
  /** What one who comes late begins with; without it, with what comes next. */
  readonly late?: {
    /** Of each value, until the next. */
    readonly keep: (last: T) => K;
    readonly begin: (kept: K) => T;
  };
}

/** What is being subscribed to: there is nothing yet to unsubscribe from. */
const STARTING: Unsubscribable = { unsubscribe: () => undefined };

/**
 * A source that all share who are there at a time: begun with the first, ended after the last, and begun anew with the next. As RxJS's `share`, without what each operator
 * holds for each subscription: of the watches of a program there may be many, of which each has one subscriber.
 */
export class Shared<T extends string | object, K = T> implements Observer<T>, Company<T> {
  /** Of those who are there, who came first; and the others, for whom most have no list: it would take more than who is alone in it. */
  private first: Observer<T> | undefined;
  private others: Observer<T>[] | undefined;
  /** What is kept of the last value for who comes late. */
  private kept: K | undefined;
  private source: Unsubscribable | undefined;
  private grace: Unsubscribable | undefined;

  constructor(protected readonly sharing: Sharing<T, K>) {}

  /** @param make makes the source, where it has to be begun */
  join(member: Observer<T>, make: () => Source<T>): void {
    this.grace?.unsubscribe();
    this.grace = undefined;
    if (this.first === undefined) this.first = member;
    else (this.others ??= []).push(member);
    if (this.source === undefined) this.begin(make);
    else if (this.sharing.late !== undefined && this.kept !== undefined) member.next(this.sharing.late.begin(this.kept));
  }

  leave(member: Observer<T>): void {
    if (member !== this.first) return this.leaveOthers(member);
    this.first = this.others?.shift();
    if (this.first !== undefined) return;
    const { graceMs } = this.sharing;
    if (graceMs === undefined) this.end();
    else this.grace = asyncScheduler.schedule(() => this.end(), graceMs);
  }

  next(value: T): void {
    this.kept = this.sharing.late?.keep(value);
    // Who comes or goes meanwhile does not change who is told.
    for (const member of this.members()) member.next(value);
  }

  // Each is over before its members hear of it: who comes back at once gets a new one.
  error(error: unknown): void {
    for (const member of this.end()) member.error(error);
  }

  complete(): void {
    for (const member of this.end()) member.complete();
  }

  /** It is about to begin: the place to end it, if it must not. */
  protected onBegin(): void {}
  protected onEnd(): void {}

  private begin(make: () => Source<T>): void {
    this.source = STARTING;
    this.onBegin();
    if (this.source !== STARTING) return;
    try {
      const begun = make().subscribe(this);
      // It may have ended by now, and even have been begun anew.
      if (this.source === STARTING) this.source = begun;
      else begun.unsubscribe();
    } catch (error) {
      this.error(error);
    }
  }

  /** @returns those who were there */
  private end(): readonly Observer<T>[] {
    const { source } = this;
    const members = this.members();
    this.grace?.unsubscribe();
    this.grace = this.source = this.kept = this.first = this.others = undefined;
    this.onEnd();
    source?.unsubscribe();
    return members;
  }

  private members(): readonly Observer<T>[] {
    return this.first === undefined ? [] : [this.first, ...(this.others ?? [])];
  }

  private leaveOthers(member: Observer<T>): void {
    const at = this.others?.indexOf(member) ?? -1;
    if (at >= 0) this.others?.splice(at, 1);
  }
}
