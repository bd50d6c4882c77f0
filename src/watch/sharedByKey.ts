import { Subscription, type Observable, type Observer } from 'rxjs';
import { Listenable, type Company } from './lightObservable.js';
import { Shared, type Sharing, type Source } from './refCounted.js';

/**
 * Streams of which all who ask for the same key share one: made with its first subscriber, and gone a little after its last.
 *
 * @typeParam K what is kept of the last value
 */
export class SharedByKey<T extends string | object, K = T> {
  private readonly streams = new Map<string, SharedStream<T, K>>();
  /** The end of the client, which all are told of together, as long as there are any. */
  private closing: Subscription | undefined;

  constructor(
    private readonly closed: Observable<void>,
    readonly sharing: Sharing<T, K>,
  ) {}

  /** Looks at each subscription whether there is one: that of a moment ago may be gone. */
  of(key: string, make: () => Source<T>): Observable<T> {
    return new Listenable((member) => this.join(key, make, member));
  }

  /** As {@link of}, for who is not a subscriber. */
  join(key: string, make: () => Source<T>, member: Observer<T>): Company<T> {
    const stream = this.streams.get(key) ?? new SharedStream(this, key);
    stream.join(member, make);
    return stream;
  }

  begun(stream: SharedStream<T, K>): void {
    this.streams.set(stream.key, stream);
    if (this.streams.size > 1) return;
    this.closing = new Subscription();
    // It may be closed already.
    const close = (): void => [...this.streams.values()].forEach((each) => each.complete());
    this.closing.add(this.closed.subscribe({ next: close, error: close }));
  }

  ended({ key }: SharedStream<T, K>): void {
    this.streams.delete(key);
    if (this.streams.size === 0) this.closing?.unsubscribe();
  }
}

/** One that is found by its key as long as it goes on. */
class SharedStream<T extends string | object, K> extends Shared<T, K> {
  constructor(
    private readonly owner: SharedByKey<T, K>,
    readonly key: string,
  ) {
    super(owner.sharing);
  }

  protected override onBegin(): void {
    this.owner.begun(this);
  }

  protected override onEnd(): void {
    this.owner.ended(this);
  }
}
