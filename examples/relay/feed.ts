import type { Decoder } from 'io-ts';
import { catchError, defer, EMPTY, share, startWith, tap, timer, withLatestFrom, type Observable } from 'rxjs';
import type { Client, KeyValue, LiveUpdate, ViewState } from 'rxetcd';

/** A message to a page. It has what is new since the revision that the page knows. */
export interface RelayMessage {
  readonly status: ViewState<unknown>['status'];
  readonly error?: string;
  /** The value of a key, if it is new; null if the key does not exist. */
  readonly value?: unknown;
  /** All keys of a range with their values. */
  readonly entries?: Readonly<Record<string, string>>;
  /** The keys of a range that have changed. The value of a deleted key is null. */
  readonly changes?: Readonly<Record<string, string | null>>;
}

/** How long a feed is followed after the last page has left, in milliseconds: a page that comes back misses nothing. */
const LINGER_MS = 30_000;

/** The longest history of a range, in updates. A page that was away for longer gets all entries. */
const MOST_UPDATES = 1_000;

/** Follows a key or a range for all pages that show it, with one watch. */
export abstract class Feed {
  /** Emits when there may be something new. etcd is watched while it is subscribed to. */
  readonly news: Observable<unknown>;
  protected view: ViewState<unknown> = { status: 'loading', value: undefined, error: undefined };
  /** The revision of the present view, which is the id of its message. */
  revision = 0;

  constructor(states: () => Observable<ViewState<unknown>>, updates: () => Observable<LiveUpdate>) {
    this.news = defer(() =>
      states().pipe(
        // It is subscribed to first, so an update is known before its state is. Both share one watch.
        withLatestFrom(
          updates().pipe(
            tap((update) => this.take(update)),
            // A failure is a state, too.
            catchError(() => EMPTY),
            startWith(undefined),
          ),
        ),
        tap(([view, update]) => this.show(view, update?.revision ?? this.revision)),
      ),
    ).pipe(share({ resetOnComplete: false, resetOnRefCountZero: () => timer(LINGER_MS) }));
  }

  protected take(_update: LiveUpdate): void {
    // For those that have a history.
  }

  protected show(view: ViewState<unknown>, revision: number): void {
    this.view = view;
    this.revision = revision;
  }

  /** Returns what is new since a revision; empty if nothing is. */
  protected abstract since(revision: number): Omit<RelayMessage, 'status' | 'error'>;

  /** Returns the message for a page that knows a revision. A revision later than etcd's is that of another store. */
  messageSince(known: number): RelayMessage {
    const { status, error } = this.view;
    const news = status === 'loading' ? {} : this.since(known > this.revision ? 0 : known);
    return { status, ...(error === undefined ? {} : { error: error.message }), ...news };
  }
}

/** Follows a value. */
export class ValueFeed<A> extends Feed {
  /** The first revision with the present value. */
  private changedAt: number | undefined;

  constructor(etcd: Client, key: string, codec: Decoder<unknown, A>) {
    super(
      () => etcd.liveValueState(key, { codec }),
      () => etcd.live({ key }),
    );
  }

  protected override show(view: ViewState<unknown>, revision: number): void {
    if (view.status !== 'loading' && (this.changedAt === undefined || view.value !== this.view.value)) this.changedAt = revision;
    super.show(view, revision);
  }

  protected since(revision: number): Pick<RelayMessage, 'value'> {
    return revision < (this.changedAt ?? 0) ? { value: this.view.value ?? null } : {};
  }
}

/** Follows a range. */
export class RangeFeed extends Feed {
  private entries: ReadonlyMap<string, KeyValue> = new Map();
  /** The last updates, without a gap. */
  private history: LiveUpdate[] = [];

  constructor(etcd: Client, prefix: string) {
    super(
      () => etcd.liveState({ prefix }),
      () => etcd.live({ prefix }),
    );
  }

  protected override take(update: LiveUpdate): void {
    this.entries = update.state;
    // There is a gap before a snapshot, as the range was not followed then.
    this.history = update.type === 'snapshot' ? [update] : [...this.history.slice(1 - MOST_UPDATES), update];
  }

  protected since(revision: number): Pick<RelayMessage, 'entries' | 'changes'> {
    if (revision >= this.revision) return {};
    const [oldest] = this.history;
    if (oldest === undefined || revision < oldest.revision)
      return { entries: Object.fromEntries([...this.entries].map(([key, { value }]) => [key, value])) };
    const events = this.history.filter((update) => update.revision > revision).flatMap(({ changes }) => changes);
    return { changes: Object.fromEntries(events.map(({ type, kv }) => [kv.key, type === 'put' ? kv.value : null])) };
  }
}
