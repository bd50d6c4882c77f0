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
   * The number of keys in each page. By default pages grow. The first page has 1 000 keys, and each further page has up
   * to four times as many as the page before. Their size, estimated from the page before, is kept below about 8 MiB and
   * about half of `maxResponseBytes`. With `keysOnly` a page has at most 10 000 keys. A page that is too large for the
   * server or for `maxResponseBytes` is halved until it can be received, even with `pageSize`. The limit of etcd 3.3 is
   * 4 MiB.
   */
  readonly pageSize?: number;
  /**
   * Processes a page asynchronously. The next page is requested when the returned Observable completes, or the Promise
   * resolves. The values of the Observable are ignored.
   */
  readonly consume?: (page: RangeResponse) => ObservableInput<unknown>;
}

/**
 * The options of `kv.range` that pages accept: all except `countOnly` and those for limit and order, which the pages
 * set themselves.
 */
const { limit: _limit, sortOrder: _sortOrder, sortTarget: _sortTarget, countOnly: _countOnly, ...OF_PAGES } = RANGE_OPTIONS;
const PAGES: OptionKinds<PagesOptions & ReadCallOptions> = { ...READ_CALL, ...OF_PAGES, pageSize: WHOLE, consume: FUNCTION };

/** The functions that read ranges: one for responses that are known to be long, and one for all other responses. */
export interface RangeReads {
  readonly usual: ReadRange;
  readonly long: ReadRange;
}

type ReadRange = (range: Range, options: RangeOptions & ReadCallOptions) => Observable<RangeResponse>;

/** Reads the pages of a range. Each page is read after the previous one was processed. */
export function pages(
  reads: RangeReads,
  which: Range,
  given: PagesOptions & ReadCallOptions = {},
  sizes: Omit<PageSizes, 'keysOnly'> = {},
): Observable<RangeResponse> {
  return defer(() => {
    const { pageSize, consume, ...options } = checkOptions('kv.pages', given, PAGES);
    const { key, rangeEnd } = toKeyRange(which);
    // All pages are read at the revision of the first page.
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

/** Returns the part of a range that begins at a key. */
function rangeFrom(start: KeyRange['key'], rangeEnd: KeyRange['rangeEnd']): Range {
  if (rangeEnd === undefined) return { key: start };
  return rangeEnd === '\0' ? { from: start } : { from: start, to: rangeEnd };
}

/** Returns the lowest key that is above a key. */
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
 * The maximum number of keys in a page without values. The server still reads the values, whose sizes are unknown to
 * the client.
 */
const MAX_KEYS_WITHOUT_VALUES = 10_000;
const MAX_BYTES = 8 * 2 ** 20;
/**
 * The maximum factor by which a page grows from one to the next. It is limited, as the values of the next page may be
 * much longer.
 */
const GROWTH = 4;
/**
 * The factor by which the byte limit grows again after a page was too large. It is small, as the server's work for a
 * page that is too large is wasted.
 */
const RECOVERY = 1.1;
/** The size in bytes from which a page counts as long. The server takes longer than usual for such a page. */
const LONG_BYTES = 2 ** 20;
/** The bytes in the JSON of a key-value besides its key and value: field names, revisions, version and lease. */
const OTHER_BYTES = 110;

/** The limits for the size of growing pages. */
export interface PageSizes {
  /** The number of keys of the first page. */
  readonly first?: number | undefined;
  /** The longest response that the client accepts. */
  readonly maxResponseBytes?: number | undefined;
  readonly keysOnly?: boolean | undefined;
}

/**
 * The number of keys of the next page, which depends on the size of the previous page. For each page, etcd also counts
 * the keys in the rest of the range. With pages of a constant size, the server's work would grow with the square of the
 * number of keys. So pages grow up to several MB.
 */
export class PageSize {
  /** The average size of a key-value in the previous page; 0 before the first page. */
  private bytesPerKey = 0;
  /** Whether the last page was too large. It is reset when a page has arrived. */
  private refused = false;

  private constructor(
    private next: number,
    private readonly mostKeys: number,
    private mostBytes: number,
    private readonly bytesInTheEnd: number,
  ) {}

  static growing({ first = FIRST_KEYS, maxResponseBytes = Infinity, keysOnly = false }: PageSizes): PageSize {
    const mostBytes = Math.min(MAX_BYTES, maxResponseBytes / 2);
    return new PageSize(first, keysOnly ? MAX_KEYS_WITHOUT_VALUES : Infinity, mostBytes, mostBytes);
  }

  /** Creates pages with this number of keys. They have fewer keys only after a page was too large. */
  static fixed(keys: number): PageSize {
    return new PageSize(keys, keys, Infinity, Infinity);
  }

  /** The number of keys to request for the next page. */
  get keys(): number {
    return this.next;
  }

  /** Whether the next page is expected to be long. */
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
   * @returns false if the page cannot be any shorter
   */
  halve(): boolean {
    if (this.next === 1) return false;
    this.next = Math.ceil(this.next / 2);
    this.refused = true;
    return true;
  }
}
