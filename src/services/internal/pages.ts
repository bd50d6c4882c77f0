import type { KeyValue } from '../../model/keyValue.js';
import { catchError, concat, defer, EMPTY, expand, from, ignoreElements, throwError, type Observable, type ObservableInput } from 'rxjs';
import { CompactedError, hasReason } from '../../errors/index.js';
import { checkOptions, FUNCTION, WHOLE, type OptionKinds } from '../../model/validate.js';
import { RANGE_OPTIONS, type RangeOptions } from '../../model/op.js';
import { toKeyRange, type KeyRange, type Range } from '../../model/range.js';
import type { RangeResponse } from '../../model/responses.js';
import { READ_CALL, type ReadCallOptions } from '../../transport/call.js';

/** The options of `kv.pages`. */
export interface PagesOptions extends Pick<
  RangeOptions,
  'revision' | 'serializable' | 'keysOnly' | 'minModRevision' | 'maxModRevision' | 'minCreateRevision' | 'maxCreateRevision'
> {
  /**
   * Sets the number of keys per page. By default pages grow: the first has 1 000 keys, the next up to four times as
   * many as the page before. They stay below 8 MiB and below half of `maxResponseBytes`. If a server cannot send a page
   * of that size (etcd 3.3: 4 MiB), the page is halved until the server can send it.
   */
  readonly pageSize?: number;
  /** Processes a page asynchronously: the next page is requested when the result completes. Its values are ignored. */
  readonly consume?: (page: RangeResponse) => ObservableInput<unknown>;
}

/** The options of `kv.range` except for limit and order, which the pages use themselves. */
const { limit: _limit, sortOrder: _sortOrder, sortTarget: _sortTarget, countOnly: _countOnly, ...OF_PAGES } = RANGE_OPTIONS;
const PAGES: OptionKinds<PagesOptions & ReadCallOptions> = { ...READ_CALL, ...OF_PAGES, pageSize: WHOLE, consume: FUNCTION };

/** Reads of ranges: one for responses that are known to be long, one for all others. */
export interface RangeReads {
  readonly usual: ReadRange;
  readonly long: ReadRange;
}

type ReadRange = (range: Range, options: RangeOptions & ReadCallOptions) => Observable<RangeResponse>;

/** Reads the pages of a range, each one after the previous page was processed. */
export function pages(
  reads: RangeReads,
  which: Range,
  given: PagesOptions & ReadCallOptions = {},
  sizes: Omit<PageSizes, 'keysOnly'> = {},
): Observable<RangeResponse> {
  return defer(() => {
    const { pageSize, consume, ...options } = checkOptions('kv.pages', given, PAGES);
    const { key, rangeEnd } = toKeyRange(which);
    // All pages are read at the revision of the first.
    let revision = options.revision;
    const size = pageSize === undefined ? PageSize.growing({ ...sizes, keysOnly: options.keysOnly }) : PageSize.fixed(pageSize);

    const pageFrom = (start: KeyRange['key']): Observable<RangeResponse> =>
      defer(() =>
        reads[size.isLong ? 'long' : 'usual'](rangeFrom(start, rangeEnd), {
          ...options,
          limit: size.keys,
          ...(revision === undefined ? {} : { revision }),
        }),
      ).pipe(
        catchError((error: unknown) => {
          if (hasReason(error, 'ResponseTooLarge') && size.halve()) return pageFrom(start);
          return throwError(() => (hasReason(error, 'Compacted') ? compactedBetween(error, revision) : error));
        }),
      );

    return pageFrom(key).pipe(
      expand((page) => {
        revision ??= page.header.revision;
        size.received(page.kvs);
        const last = page.kvs.at(-1);
        const following = page.more && last !== undefined ? pageFrom(keyAfter(last)) : EMPTY;
        return consume === undefined ? following : concat(from(consume(page)).pipe(ignoreElements()), following);
      }, 1),
    );
  });
}

/** Returns the rest of a range from a key on. */
function rangeFrom(start: KeyRange['key'], rangeEnd: KeyRange['rangeEnd']): Range {
  if (rangeEnd === undefined) return { key: start };
  return rangeEnd === '\0' ? { from: start } : { from: start, to: rangeEnd };
}

/** Returns the lowest key above a key. */
function keyAfter({ keyBytes }: KeyValue): Uint8Array {
  const next = new Uint8Array(keyBytes.length + 1);
  next.set(keyBytes);
  return next;
}

function compactedBetween(error: CompactedError, revision: number | undefined): CompactedError {
  if (revision === undefined) return error;
  return new CompactedError(`kv.pages failed: revision ${revision} of the pages was compacted during the read; start again`, {
    rpc: 'KV.Range',
    cause: error,
  });
}

const FIRST_KEYS = 1_000;
/**
 * The maximum number of keys of a page without values. The server still reads the values, and their sizes are unknown
 * here.
 */
const MOST_KEYS_WITHOUT_VALUES = 10_000;
const MOST_BYTES = 8 * 2 ** 20;
/** The maximum growth from one page to the next, as the values of the next page may be much longer. */
const GROWTH = 4;
/**
 * The growth of the byte limit after a page was too large. The growth is slow, because the work of the server for each
 * page that is too large is wasted.
 */
const RECOVERY = 1.1;
/** The size in bytes from which a page counts as long, as it takes the server longer than usual. */
const LONG_BYTES = 2 ** 20;
/** The bytes of the JSON of a pair besides its key and value: field names, revisions, version, lease. */
const OTHER_BYTES = 110;

/** Limits the size of growing pages. */
export interface PageSizes {
  /** The number of keys of the first page. */
  readonly first?: number | undefined;
  /** The longest response that the client accepts. */
  readonly maxResponseBytes?: number | undefined;
  readonly keysOnly?: boolean | undefined;
}

/**
 * Chooses the number of keys of the next page. etcd counts the rest of the range for each page. With pages of a
 * constant size the server's work would grow with the square of the number of keys. So pages grow up to several MB,
 * based on the size of the previous page.
 */
export class PageSize {
  /** The mean of the previous page; 0 before the first page. */
  private bytesPerKey = 0;
  /** Set after a page was too large, until the next page has arrived. */
  private refused = false;

  private constructor(
    private next: number,
    private readonly mostKeys: number,
    private mostBytes: number,
    private readonly bytesInTheEnd: number,
  ) {}

  static growing({ first = FIRST_KEYS, maxResponseBytes = Infinity, keysOnly = false }: PageSizes): PageSize {
    const mostBytes = Math.min(MOST_BYTES, maxResponseBytes / 2);
    return new PageSize(first, keysOnly ? MOST_KEYS_WITHOUT_VALUES : Infinity, mostBytes, mostBytes);
  }

  /** Creates pages with this number of keys. They are shorter only after a page was too large. */
  static fixed(keys: number): PageSize {
    return new PageSize(keys, keys, Infinity, Infinity);
  }

  /** The number of keys to request. */
  get keys(): number {
    return this.next;
  }

  /** Whether the next page is known to be long. */
  get isLong(): boolean {
    return this.next * this.bytesPerKey > LONG_BYTES;
  }

  /** Records the size of a page. */
  received(kvs: readonly KeyValue[]): void {
    let bytes = 0;
    for (const kv of kvs) bytes += kv.base64Length + OTHER_BYTES;
    this.bytesPerKey = bytes / kvs.length;
    this.mostBytes = this.refused ? bytes : Math.min(this.bytesInTheEnd, this.mostBytes * RECOVERY);
    this.refused = false;
    const growth = Math.min(GROWTH, this.mostBytes / bytes);
    this.next = Math.max(1, Math.min(this.mostKeys, Math.floor(kvs.length * growth)));
  }

  /**
   * Halves the page after a response that was too large.
   *
   * @returns false if it cannot be any shorter
   */
  halve(): boolean {
    if (this.next === 1) return false;
    this.next = Math.ceil(this.next / 2);
    this.refused = true;
    return true;
  }
}
