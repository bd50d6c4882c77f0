import { catchError, concat, defer, EMPTY, expand, from, ignoreElements, throwError, type Observable, type ObservableInput } from 'rxjs';
import { CompactedError, hasReason } from '../../errors/index.js';
import { checkOptions, FUNCTION, WHOLE, type OptionKinds } from '../../model/validate.js';
import type { KeyValue } from '../../model/keyValue.js';
import type { RangeOptions } from '../../model/op.js';
import { RANGE_OPTIONS } from '../../model/opOptions.js';
import { toKeyRange, type KeyRange, type Range } from '../../model/range.js';
import type { RangeResponse } from '../../model/responses.js';
import { READ_CALL, type ReadCallOptions } from '../../transport/call.js';

/** How a range is read in pages. */
export interface PagesOptions extends Pick<
  RangeOptions,
  'revision' | 'serializable' | 'keysOnly' | 'minModRevision' | 'maxModRevision' | 'minCreateRevision' | 'maxCreateRevision'
> {
  /** Keys a page: 1 000 by default. Where a server cannot send so much at once (3.3: 4 MiB) the page is halved until it can. */
  readonly pageSize?: number;
  /** What is done with a page, where that takes its time: the next one is asked for when this completes. What it emits is not looked at. */
  readonly consume?: (page: RangeResponse) => ObservableInput<unknown>;
}

/** Those of a range but for how much there is of it, and in which order, which is how pages go on. */
const { limit: _limit, sortOrder: _sortOrder, sortTarget: _sortTarget, countOnly: _countOnly, ...OF_PAGES } = RANGE_OPTIONS;
const PAGES: OptionKinds<PagesOptions & ReadCallOptions> = { ...READ_CALL, ...OF_PAGES, pageSize: WHOLE, consume: FUNCTION };

type ReadRange = (range: Range, options: RangeOptions & ReadCallOptions) => Observable<RangeResponse>;

/** The pages of a range, each asked for when the one before was taken. */
export function pages(readRange: ReadRange, which: Range, given: PagesOptions & ReadCallOptions = {}): Observable<RangeResponse> {
  return defer(() => {
    const { pageSize = 1_000, consume, ...options } = checkOptions('kv.pages', given, PAGES);
    const { key, rangeEnd } = toKeyRange(which);
    // The first page's revision holds for all of them.
    let revision = options.revision;
    let limit = pageSize;

    const pageFrom = (start: KeyRange['key']): Observable<RangeResponse> =>
      defer(() => readRange(rangeFrom(start, rangeEnd), { ...options, limit, ...(revision === undefined ? {} : { revision }) })).pipe(
        catchError((error: unknown) => {
          if (hasReason(error, 'ResponseTooLarge') && limit > 1) {
            limit = Math.ceil(limit / 2);
            return pageFrom(start);
          }
          return throwError(() => (hasReason(error, 'Compacted') ? compactedBetween(error, revision) : error));
        }),
      );

    return pageFrom(key).pipe(
      expand((page) => {
        revision ??= page.header.revision;
        const last = page.kvs.at(-1);
        const following = page.more && last !== undefined ? pageFrom(keyAfter(last)) : EMPTY;
        return consume === undefined ? following : concat(from(consume(page)).pipe(ignoreElements()), following);
      }, 1),
    );
  });
}

/** What is left of a range from this key on. */
function rangeFrom(start: KeyRange['key'], rangeEnd: KeyRange['rangeEnd']): Range {
  if (rangeEnd === undefined) return { key: start };
  return rangeEnd === '\0' ? { from: start } : { from: start, to: rangeEnd };
}

/** The least key above this one. */
function keyAfter({ keyBytes }: KeyValue): Uint8Array {
  const next = new Uint8Array(keyBytes.length + 1);
  next.set(keyBytes);
  return next;
}

function compactedBetween(error: CompactedError, revision: number | undefined): CompactedError {
  if (revision === undefined) return error;
  return new CompactedError(`revision ${revision}, which the pages show, was compacted while they were read; begin again`, {
    rpc: 'KV.Range',
    cause: error,
  });
}
