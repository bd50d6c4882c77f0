import { BehaviorSubject, type Observable } from 'rxjs';

/** A state and its changes. All are told of each in the order in which they came about, also where one who is told of a change brings about the next. */
export class StateInTurn<T extends object> {
  private readonly told: BehaviorSubject<T>;
  /** The first is being told. */
  private readonly untold: T[] = [];

  constructor(first: T) {
    this.told = new BehaviorSubject(first);
  }

  /** That of now, though some may not have heard of it yet. */
  get value(): T {
    return this.untold.at(-1) ?? this.told.value;
  }

  get changes(): Observable<T> {
    return this.told;
  }

  next(state: T): void {
    this.untold.push(state);
    if (this.untold.length > 1) return;
    for (let [next] = this.untold; next !== undefined; [next] = this.untold) {
      this.told.next(next);
      this.untold.shift();
    }
  }
}
