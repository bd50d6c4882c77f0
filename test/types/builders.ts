/** The types that keys, ranges, compares, operations and ids accept and reject. Checked by the compiler; never run. */
import { expectTypeOf } from 'expect-type';
import {
  del,
  get,
  key,
  leaseId,
  memberId,
  put,
  range,
  toKeyRange,
  txn,
  type BytesLike,
  type Compare,
  type Comparison,
  type DeleteOp,
  type GetOp,
  type KeyRange,
  type LeaseId,
  type MemberId,
  type PutOp,
  type Range,
  type RangeOp,
  type TxnOp,
} from 'rxetcd';

export function operations(): void {
  expectTypeOf(put('a', Uint8Array.of(1))).toEqualTypeOf<PutOp>();
  expectTypeOf(get('a')).toEqualTypeOf<GetOp>();
  expectTypeOf(range({ all: true })).toEqualTypeOf<RangeOp>();
  expectTypeOf(del({ prefix: 'a' })).toEqualTypeOf<DeleteOp>();
  expectTypeOf(txn({ success: [put('a', '1')] })).toEqualTypeOf<TxnOp<readonly [PutOp], readonly []>>();
  put('a', '1', { lease: leaseId('1'), prevKv: true, ignoreLease: false, ignoreValue: false });
  // @ts-expect-error a value is text or bytes
  put('a', 1);
  // @ts-expect-error a lease is identified by its id, not by any text
  put('a', '1', { lease: '1' });
  // @ts-expect-error a get is of one key
  get({ prefix: 'a' });
  // @ts-expect-error a limit is for ranges
  get('a', { limit: 1 });
  // @ts-expect-error there is no such target
  range('a', { sortTarget: 'LEASE' });
}

export function compares(): void {
  expectTypeOf(key('a').version).toEqualTypeOf<Comparison<number>>();
  expectTypeOf(key('a').createRevision).toEqualTypeOf<Comparison<number>>();
  expectTypeOf(key('a').modRevision).toEqualTypeOf<Comparison<number>>();
  expectTypeOf(key('a').value).toEqualTypeOf<Comparison<BytesLike>>();
  expectTypeOf(key({ prefix: 'a' }).lease).toEqualTypeOf<Comparison<LeaseId>>();
  expectTypeOf(key('a').exists()).toEqualTypeOf<Compare>();
  // @ts-expect-error a version is a number
  key('a').version.equals('1');
  // @ts-expect-error a lease is identified by its id
  key('a').lease.equals(1);
}

export function ranges(): void {
  expectTypeOf<string>().toExtend<Range>();
  expectTypeOf<Uint8Array>().toExtend<Range>();
  expectTypeOf<{ from: string; to: Uint8Array }>().toExtend<Range>();
  expectTypeOf<{ from: string }>().toExtend<Range>();
  expectTypeOf<{ all: true }>().toExtend<Range>();
  expectTypeOf<{ all: false }>().not.toExtend<Range>();
  expectTypeOf<{ to: string }>().not.toExtend<Range>();
  expectTypeOf<number>().not.toExtend<Range>();
  expectTypeOf(toKeyRange).returns.toEqualTypeOf<KeyRange>();
}

export function ids(): void {
  expectTypeOf(leaseId).parameter(0).toEqualTypeOf<string | number | bigint>();
  expectTypeOf(leaseId('1')).toEqualTypeOf<LeaseId>();
  expectTypeOf<LeaseId>().toExtend<string>();
  expectTypeOf<string>().not.toExtend<LeaseId>();
  expectTypeOf<MemberId>().not.toExtend<LeaseId>();
  expectTypeOf(memberId(1n)).toEqualTypeOf<MemberId>();
}
