/**
 * The types of a txn's results follow its operations, separately for each branch. Checked by the compiler; never run.
 */
import { expectTypeOf } from 'expect-type';
import type { Observable } from 'rxjs';
import {
  del,
  get,
  put,
  range,
  txn,
  type Client,
  type DeleteRangeResponse,
  type KeyValue,
  type Op,
  type PutResponse,
  type RangeResponse,
  type ResponseHeader,
  type ResultOf,
  type TxnResult,
} from 'rxetcd';

type ValueOf<T> = T extends Observable<infer V> ? V : never;
type Succeeded<R> = Extract<R, { succeeded: true }>;
type Failed<R> = Extract<R, { succeeded: false }>;

export function resultsFollowTheBranch({ kv }: Client): void {
  const result = kv.txn({ success: [put('a', '1'), get('a')], failure: [range({ prefix: 'a' }), del('a')] });
  type Result = ValueOf<typeof result>;
  expectTypeOf<Succeeded<Result>['responses']>().toEqualTypeOf<readonly [PutResponse, KeyValue | undefined]>();
  expectTypeOf<Failed<Result>['responses']>().toEqualTypeOf<readonly [RangeResponse, DeleteRangeResponse]>();
  expectTypeOf<Result['header']>().toEqualTypeOf<ResponseHeader>();

  result.subscribe((answer) => {
    if (answer.succeeded) {
      expectTypeOf(answer.responses[0].prevKv).toEqualTypeOf<KeyValue | undefined>();
      // @ts-expect-error this branch has two operations
      void answer.responses[2];
    } else {
      expectTypeOf(answer.responses[0].kvs).toEqualTypeOf<readonly KeyValue[]>();
      expectTypeOf(answer.responses[1].deleted).toEqualTypeOf<number>();
    }
    // @ts-expect-error before it is known which branch ran, nothing is known of a result
    void answer.responses[0].deleted;
  });
}

export function aBranchLeftOutHasNoResults({ kv }: Client): void {
  const result = kv.txn({ success: [put('a', '1')] });
  expectTypeOf<Failed<ValueOf<typeof result>>['responses']>().toEqualTypeOf<readonly []>();
  const neither = kv.txn({});
  expectTypeOf<ValueOf<typeof neither>['responses']>().toEqualTypeOf<readonly []>();
}

export function txnsNest({ kv }: Client): void {
  const inner = txn({ success: [get('b')], failure: [put('b', '2')] });
  const result = kv.txn({ success: [inner, put('a', '1')] });
  type Outer = Succeeded<ValueOf<typeof result>>['responses'];
  expectTypeOf<Succeeded<Outer[0]>['responses']>().toEqualTypeOf<readonly [KeyValue | undefined]>();
  expectTypeOf<Failed<Outer[0]>['responses']>().toEqualTypeOf<readonly [PutResponse]>();
  expectTypeOf<Outer[1]>().toEqualTypeOf<PutResponse>();
}

export function aListOfUnknownLengthIsAListOfResults({ kv }: Client, keys: string[]): void {
  const result = kv.txn({ success: keys.map((key) => get(key)) });
  expectTypeOf<Succeeded<ValueOf<typeof result>>['responses']>().toEqualTypeOf<readonly (KeyValue | undefined)[]>();
  const mixed: Op[] = [];
  const unknown = kv.txn({ success: mixed });
  expectTypeOf<Succeeded<ValueOf<typeof unknown>>['responses'][number]>().toEqualTypeOf<ResultOf<Op>>();
}

export function whatIsNoTxnIsRefused({ kv }: Client): void {
  // @ts-expect-error a string is no operation
  void kv.txn({ success: ['put'] });
  // @ts-expect-error there is no such branch
  void kv.txn({ otherwise: [put('a', '1')] });
  // @ts-expect-error a value is no condition
  void kv.txn({ compare: ['a'] });
  expectTypeOf(kv.txn<readonly [], readonly []>).returns.toEqualTypeOf<Observable<TxnResult<readonly [], readonly []>>>();
}
