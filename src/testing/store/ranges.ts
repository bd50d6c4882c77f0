import type { RangeRequest, RangeResponse } from '../../codec/kv.js';
import type { DecodedBy } from '../../codec/descriptors.js';
import { KeyValue } from '../../model/keyValue.js';
import { type Key, keyOf, spanOf } from './keys.js';
import type { Mvcc } from './mvcc.js';

/** A range request with all its fields. */
export type Range = DecodedBy<typeof RangeRequest>;
/** The response to a range without its header. */
export type RangeResult = Omit<DecodedBy<typeof RangeResponse>, 'header'>;

/** Reads a range. */
export function readRange(mvcc: Mvcc, request: Range): RangeResult {
  const { limit, revision, keysOnly, countOnly } = request;
  let count = 0;
  let kvs: KeyValue[] = [];
  const isSorted = request.sortOrder !== 'NONE' || request.sortTarget !== 'KEY';
  // If a range is neither filtered nor sorted, it is enough to read one key more than the limit.
  const most = countOnly ? 0 : limit > 0 && !isSorted && !isFiltered(request) ? limit + 1 : Infinity;
  mvcc.forEach(spanOf(request), revision, (kv) => {
    count += 1;
    if (kvs.length < most) kvs.push(kv);
  });
  if (isFiltered(request)) kvs = kvs.filter((kv) => matches(request, kv));
  if (isSorted) kvs = sorted(kvs, request);
  const more = limit > 0 && kvs.length > limit;
  if (more) kvs = kvs.slice(0, limit);
  return { kvs: keysOnly ? kvs.map(withoutValue) : kvs, more, count };
}

const isFiltered = ({ minModRevision, maxModRevision, minCreateRevision, maxCreateRevision }: Range): boolean =>
  minModRevision !== 0 || maxModRevision !== 0 || minCreateRevision !== 0 || maxCreateRevision !== 0;

function matches(
  { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision }: Range,
  { modRevision, createRevision }: KeyValue,
): boolean {
  return (
    (minModRevision === 0 || modRevision >= minModRevision) &&
    (maxModRevision === 0 || modRevision <= maxModRevision) &&
    (minCreateRevision === 0 || createRevision >= minCreateRevision) &&
    (maxCreateRevision === 0 || createRevision <= maxCreateRevision)
  );
}

/**
 * Sorts key-values that are in the order of their keys. If the request has a sort target but no sort order, the order
 * is ascending.
 */
function sorted(kvs: readonly KeyValue[], { sortOrder, sortTarget }: Range): KeyValue[] {
  const sign = sortOrder === 'DESCEND' ? -1 : 1;
  const by = (of: (kv: KeyValue) => number | string): KeyValue[] => {
    const entries = kvs.map((kv) => [of(kv), kv] as const);
    return entries.sort(([a], [b]) => (a < b ? -sign : a > b ? sign : 0)).map(([, kv]) => kv);
  };
  switch (sortTarget) {
    case 'KEY':
      return sign === 1 ? [...kvs] : kvs.toReversed();
    case 'VERSION':
      return by((kv) => kv.version);
    case 'CREATE':
      return by((kv) => kv.createRevision);
    case 'MOD':
      return by((kv) => kv.modRevision);
    case 'VALUE':
      return by(valueOf);
  }
}

/**
 * Returns the value as text that has one character for each byte. JavaScript compares such texts in the order of their
 * bytes.
 */
export const valueOf = (kv: KeyValue): Key => keyOf(kv.valueBytes);

function withoutValue({ keyBase64, createRevision, modRevision, version, lease }: KeyValue): KeyValue {
  return new KeyValue({ key64: keyBase64, value64: '', createRevision, modRevision, version, lease });
}
