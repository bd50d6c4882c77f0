import { contains, type Key, type KeySpan } from './keys.js';

/** The keys from `from` up to the start of the next segment, and the watches of all ranges that contain these keys. */
interface Segment<W> {
  readonly from: Key;
  readonly watches: Set<W>;
  /** The number of ranges that begin or end at `from`. */
  edges: number;
}

/**
 * Finds the watches of a key. The watches of single keys are in a map. The watches of ranges are in segments: a new
 * segment begins at each of the two ends of a range. So a change visits only the watches of its key.
 */
export class WatchIndex<W extends { readonly span: KeySpan }> {
  private readonly single = new Map<Key, Set<W>>();
  /** The segments, in order. The first one begins with the empty key. */
  private readonly segments: Segment<W>[] = [{ from: '', watches: new Set(), edges: 1 }];

  add(watch: W): void {
    const { span } = watch;
    if (span.single) {
      const known = this.single.get(span.from);
      if (known === undefined) this.single.set(span.from, new Set([watch]));
      else known.add(watch);
      return;
    }
    this.edge(span.from);
    if (span.to !== undefined) this.edge(span.to);
    for (const { watches } of this.covered(span)) watches.add(watch);
  }

  delete(watch: W): void {
    const { span } = watch;
    if (span.single) {
      const known = this.single.get(span.from);
      known?.delete(watch);
      if (known?.size === 0) this.single.delete(span.from);
      return;
    }
    for (const { watches } of this.covered(span)) watches.delete(watch);
    this.dropEdge(span.from);
    if (span.to !== undefined) this.dropEdge(span.to);
  }

  /** Calls a function with each watch of a key. */
  forEach(key: Key, visit: (watch: W) => void): void {
    this.single.get(key)?.forEach(visit);
    this.segments[this.placeOf(key)]?.watches.forEach(visit);
  }

  private covered(span: KeySpan): readonly Segment<W>[] {
    const begin = this.placeOf(span.from);
    let end = begin;
    for (let next = this.segments[end]; next !== undefined && contains(span, next.from); next = this.segments[end]) end += 1;
    return this.segments.slice(begin, end);
  }

  /** Splits a segment, so that a segment begins at this key. */
  private edge(from: Key): void {
    const place = this.placeOf(from);
    const segment = this.segments[place];
    if (segment === undefined) return;
    if (segment.from === from) segment.edges += 1;
    else this.segments.splice(place + 1, 0, { from, watches: new Set(segment.watches), edges: 1 });
  }

  /** Removes an end of a range. Joins the segments before and after the key if no other range begins or ends there. */
  private dropEdge(from: Key): void {
    const place = this.placeOf(from);
    const segment = this.segments[place];
    if (segment === undefined) return;
    segment.edges -= 1;
    if (segment.edges === 0) this.segments.splice(place, 1);
  }

  /** Returns the index of the segment that contains a key. */
  private placeOf(key: Key): number {
    let low = 0;
    let high = this.segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.segments[middle]?.from ?? '') <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
