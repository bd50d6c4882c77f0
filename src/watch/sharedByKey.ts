import { concat, defer, finalize, of, share, takeUntil, tap, timer, type Observable } from 'rxjs';

/** How a stream is shared. */
interface Sharing<T> {
  /** How long it goes on without a subscriber. */
  readonly graceMs: number;
  /** What one who comes late begins with, made of the last value; without it, with what comes next. */
  readonly late?: (last: T) => T;
}

/** Streams of which all who ask for the same key share one: made with its first subscriber, and gone a little after its last. */
export class SharedByKey<T> {
  private readonly streams = new Map<string, Observable<T>>();

  constructor(
    private readonly closed: Observable<void>,
    private readonly sharing: Sharing<T>,
  ) {}

  /** Looks at each subscription whether there is one: that of a moment ago may be gone. */
  of(key: string, make: () => Observable<T>): Observable<T> {
    return defer(() => {
      const known = this.streams.get(key);
      if (known !== undefined) return known;
      const made: Observable<T> = this.share(make(), () => {
        if (this.streams.get(key) === made) this.streams.delete(key);
      });
      this.streams.set(key, made);
      return made;
    });
  }

  private share(source: Observable<T>, evict: () => void): Observable<T> {
    const { graceMs, late } = this.sharing;
    let last: { readonly value: T } | undefined;
    const shared = source.pipe(
      tap((value) => {
        if (late !== undefined) last = { value };
      }),
      // eslint-disable-next-line rxjs-x/no-unsafe-takeuntil -- what follows has no source of its own that could go on
      takeUntil(this.closed),
      // Before its subscribers hear of the end, so that one who comes back at once gets a new one.
      tap({ error: evict, complete: evict }),
      // When the last has left.
      finalize(evict),
      share({ resetOnRefCountZero: () => timer(graceMs).pipe(takeUntil(this.closed)) }),
    );
    if (late === undefined) return shared;
    return defer(() => (last === undefined ? shared : concat(of(late(last.value)), shared)));
  }
}
