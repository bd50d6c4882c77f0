import type { BytesLike } from '../../model/bytes.js';
import type { LeaseId } from '../../model/ids.js';
import type { KeyValue } from '../../model/keyValue.js';
import {
  prefixEnd,
  type KeyRange,
  binaryKey,
  covers,
  holds,
  intersection,
  isPoint,
  keyBytes,
  spanBetween,
  type BinaryKey,
  type Span,
} from '../../model/range.js';
import type { ConnectionState } from '../streams/connectionState.js';
import type { WriteEffects } from './writeEffects.js';

/**
 * The maximum number of notes that are kept; older notes are dropped. A note is a fact about the store. Whether a note
 * concerns a live range depends on the state of the range.
 */
const MAX_NOTES = 256;

/** A state that a live range has emitted. */
interface Shown {
  readonly revision: number;
  readonly state: ReadonlyMap<string, KeyValue>;
}

/** A fact that was true for the store at a revision. */
type Note = { readonly number: number; readonly revision: number } & (
  { readonly type: 'cleared' | 'held'; readonly span: Span } | { readonly type: 'revoked'; readonly lease: LeaseId }
);

/**
 * The key ranges that a client's live ranges follow. Each range has the highest revision of an own write that it has to
 * show. Most writes put or delete a single key. The single keys and prefixes that include a key are found in two maps.
 * Other ranges are compared one by one.
 */
export class FollowedRanges implements WriteEffects {
  private readonly all = new Set<FollowedRange>();
  private readonly points = new RangesByKey();
  private readonly prefixes = new RangesByKey();
  private readonly others = new Set<FollowedRange>();
  private readonly notes: Note[] = [];
  private noted = 0;

  get size(): number {
    return this.all.size;
  }

  /** The number of the latest note. */
  get latest(): number {
    return this.noted;
  }

  /**
   * Starts to follow a range.
   *
   * @param prefix the prefix of the namespace. The keys in the states of a live range do not include it
   */
  follow(span: Span, prefix: BinaryKey): FollowedRange {
    const range = new FollowedRange(this, span, prefix);
    this.all.add(range);
    if (isPoint(span)) this.points.add(span.from, range);
    else if (isAll(span)) this.prefixes.add('', range);
    else if (isPrefix(span)) this.prefixes.add(span.from, range);
    else this.others.add(range);
    return range;
  }

  forget(range: FollowedRange): void {
    this.all.delete(range);
    this.others.delete(range);
    for (const ranges of [this.points, this.prefixes]) ranges.delete(isAll(range.span) ? '' : range.span.from, range);
    if (this.size === 0) this.notes.length = 0;
  }

  put(key: BytesLike, revision: number): void {
    this.forEachWith(binaryKey(key), (range) => range.expect(revision));
  }

  cleared(range: KeyRange, revision: number, deleted: boolean | undefined): void {
    const span = spanBetween(range);
    if (isPoint(span)) {
      if (deleted === true) this.put(range.key, revision);
      else if (this.anyWith(span.from)) this.note({ type: 'cleared', span, revision, number: ++this.noted });
      return;
    }
    let concerns = false;
    for (const each of this.all) {
      if (intersection(each.span, span) === undefined) continue;
      if (deleted === true && covers(each.span, span)) each.expect(revision);
      else concerns = true;
    }
    if (concerns) this.note({ type: 'cleared', span, revision, number: ++this.noted });
  }

  revoked(lease: LeaseId, revision: number): void {
    this.note({ type: 'revoked', lease, revision, number: ++this.noted });
  }

  held(key: BytesLike, revision: number): void {
    const span = spanBetween({ key });
    if (this.anyWith(span.from)) this.note({ type: 'held', span, revision, number: ++this.noted });
  }

  /** Returns the notes with a higher number that may concern keys of a span. */
  notesAfter(number: number, span: Span): readonly Note[] {
    return this.notes.filter((note) => note.number > number && (note.type === 'revoked' || intersection(note.span, span) !== undefined));
  }

  private anyWith(key: BinaryKey): boolean {
    let any = false;
    this.forEachWith(key, () => (any = true));
    return any;
  }

  private forEachWith(key: BinaryKey, use: (range: FollowedRange) => void): void {
    this.points.at(key)?.forEach(use);
    for (const length of this.prefixes.lengths()) if (length <= key.length) this.prefixes.at(key.slice(0, length))?.forEach(use);
    for (const range of this.others) if (holds(range.span, key)) use(range);
  }

  private note(note: Note): void {
    if (this.notes.push(note) > MAX_NOTES) this.notes.shift();
  }
}

/**
 * A key range that a live range follows. It decides whether a state is too old for a new subscriber. The first state of
 * a subscriber must include all writes of this client that the server has confirmed.
 */
export class FollowedRange {
  /** The highest revision of this client's writes in the range since the last list was requested. */
  private needed = 0;
  /**
   * The highest revision of an own write before the last list was requested. The list includes the write, even if the
   * store was restored and now has lower revisions.
   */
  private neededBefore = 0;
  /** The number of lists that were requested, and the number of the last one that arrived. */
  private requested = 0;
  private listed = 0;
  private notedWhenRequested = 0;
  /**
   * The number of the last note that was checked. Notes up to this number do not concern the current state or the next
   * list.
   */
  private checked: number;
  private shown: Shown | undefined;
  private connectedAs: ConnectionState | undefined;

  constructor(
    private readonly owner: FollowedRanges,
    readonly span: Span,
    private readonly prefix: BinaryKey,
  ) {
    this.checked = owner.latest;
  }

  /** The state of the connection when the last state arrived. */
  get connection(): ConnectionState | undefined {
    return this.connectedAs;
  }

  /**
   * Called when an own write has put or deleted a key of the range at this revision. An event of the change will
   * follow.
   */
  expect(revision: number): void {
    if (revision > this.needed) this.needed = revision;
  }

  /** Called when a list is requested. The list will include all writes that the server has confirmed by now. */
  listing(): void {
    this.requested += 1;
    this.notedWhenRequested = this.owner.latest;
    this.neededBefore = Math.max(this.neededBefore, this.needed);
    this.needed = 0;
  }

  /** Called with each state, after a list or an event. */
  show(shown: Shown, byList: boolean, connection: ConnectionState): void {
    this.shown = shown;
    this.connectedAs = connection;
    if (!byList) return;
    this.listed = this.requested;
    this.neededBefore = 0;
    this.checked = this.notedWhenRequested;
  }

  /**
   * Returns a function that decides whether a state lacks a write that the server has confirmed by now. Returns
   * undefined if neither the current state nor a later one can lack such a write.
   */
  whetherOld(): ((state: Shown) => boolean) | undefined {
    const { requested, needed, notedWhenRequested } = this;
    const { latest } = this.owner;
    const neededByList = Math.max(needed, this.neededBefore);
    const notes = this.owner.notesAfter(this.checked, this.span);
    const unlisted = notes.filter(({ number }) => number > notedWhenRequested);
    const isOld = (state: Shown): boolean => {
      // A list that was requested after this call includes all writes. An earlier list includes the writes that were
      // confirmed before its request.
      if (this.listed > requested) return false;
      const isListed = this.listed === requested;
      return state.revision < (isListed ? needed : neededByList) || this.contradicts(state, isListed ? unlisted : notes);
    };
    if (this.shown === undefined) return needed > 0 || notes.length > 0 ? isOld : undefined;
    if (isOld(this.shown)) return isOld;
    this.checked = latest;
    return undefined;
  }

  end(): void {
    this.owner.forget(this);
  }

  /**
   * Returns whether notes of later revisions show that a state is old. Such a state has a key that was deleted later,
   * or lacks a key that existed later. In both cases an event of that change will arrive.
   */
  private contradicts({ revision, state }: Shown, notes: readonly Note[]): boolean {
    const later = notes.filter((note) => note.revision > revision);
    if (later.length === 0) return false;
    const leases = new Set(later.flatMap((note) => (note.type === 'revoked' ? [note.lease] : [])));
    const cleared = later.flatMap((note) => (note.type === 'cleared' ? [note] : []));
    const held = new Set(later.flatMap((note) => (note.type === 'held' ? [note.span.from] : [])));
    for (const kv of state.values()) {
      if (kv.lease !== undefined && leases.has(kv.lease)) return true;
      if (cleared.length === 0 && held.size === 0) continue;
      const key = this.prefix + binaryKey(kv.keyBytes);
      held.delete(key);
      if (cleared.some((note) => kv.modRevision < note.revision && holds(note.span, key))) return true;
    }
    return held.size > 0;
  }
}

/** Finds ranges by a key. Several ranges may have the same key, such as those of a live range and of a live config. */
class RangesByKey {
  private readonly ranges = new Map<BinaryKey, readonly FollowedRange[]>();
  /** The number of keys of each length. */
  private readonly byLength = new Map<number, number>();

  add(key: BinaryKey, range: FollowedRange): void {
    const there = this.ranges.get(key) ?? [];
    this.ranges.set(key, [...there, range]);
    if (there.length === 0) this.count(key, 1);
  }

  delete(key: BinaryKey, range: FollowedRange): void {
    const there = this.ranges.get(key) ?? [];
    const rest = there.filter((other) => other !== range);
    if (rest.length === there.length) return;
    if (rest.length > 0) return void this.ranges.set(key, rest);
    this.ranges.delete(key);
    this.count(key, -1);
  }

  at(key: BinaryKey): readonly FollowedRange[] | undefined {
    return this.ranges.get(key);
  }

  lengths(): Iterable<number> {
    return this.byLength.keys();
  }

  private count({ length }: BinaryKey, more: number): void {
    const count = (this.byLength.get(length) ?? 0) + more;
    if (count > 0) this.byLength.set(length, count);
    else this.byLength.delete(length);
  }
}

/** Returns whether a span includes every key. No key is empty, so no key is below a zero byte. */
const isAll = ({ from, to }: Span): boolean => from === '\0' && to === undefined;

const isPrefix = ({ from, to }: Span): boolean => binaryKey(prefixEnd(keyBytes(from))) === (to ?? '\0');
