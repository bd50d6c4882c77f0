/** Guards narrow an error of unknown kind to the class that comes with its reason. Checked by the compiler; never run. */
import { expectTypeOf } from 'expect-type';
import {
  hasReason,
  isEtcdError,
  type AmbiguousWriteError,
  type CompactedError,
  type EtcdError,
  type EtcdErrorOf,
  type GrpcCode,
  type InvalidOptionError,
  type InvalidValueError,
  type Reason,
  type UnsupportedServerVersionError,
} from 'rxetcd';

export function guards(error: unknown): void {
  if (isEtcdError(error)) {
    expectTypeOf(error).toEqualTypeOf<EtcdError>();
    expectTypeOf(error.reason).toEqualTypeOf<Reason>();
    expectTypeOf(error.code).toEqualTypeOf<GrpcCode>();
    expectTypeOf(error.endpoint).toEqualTypeOf<string | undefined>();
  }
  if (hasReason(error, 'Compacted')) expectTypeOf(error.compactRevision).toEqualTypeOf<number | undefined>();
  if (hasReason(error, 'AmbiguousWrite')) expectTypeOf(error.cause).toEqualTypeOf<EtcdError>();
  if (hasReason(error, 'UnsupportedServerVersion')) expectTypeOf(error.required).toEqualTypeOf<string>();
  if (hasReason(error, 'InvalidOption')) expectTypeOf(error.option).toEqualTypeOf<string>();
  if (hasReason(error, 'InvalidValue')) expectTypeOf(error.failures).toEqualTypeOf<readonly string[]>();
  if (hasReason(error, 'LeaseNotFound')) {
    expectTypeOf(error.reason).toEqualTypeOf<'LeaseNotFound'>();
    // @ts-expect-error only a CompactedError has it
    void error.compactRevision;
  }
  if (hasReason(error, 'Compacted', 'FutureRev')) expectTypeOf(error.reason).toEqualTypeOf<'Compacted' | 'FutureRev'>();
  // @ts-expect-error there is no such reason
  hasReason(error, 'Compact');
}

export function classes(): void {
  expectTypeOf<EtcdErrorOf<'Compacted'>>().toEqualTypeOf<CompactedError>();
  expectTypeOf<EtcdErrorOf<'AmbiguousWrite'>>().toEqualTypeOf<AmbiguousWriteError>();
  expectTypeOf<EtcdErrorOf<'UnsupportedServerVersion'>>().toEqualTypeOf<UnsupportedServerVersionError>();
  expectTypeOf<EtcdErrorOf<'InvalidOption'>>().toEqualTypeOf<InvalidOptionError>();
  expectTypeOf<EtcdErrorOf<'InvalidValue'>>().toEqualTypeOf<InvalidValueError>();
  expectTypeOf<EtcdErrorOf<'NoSpace'>>().toEqualTypeOf<EtcdError<'NoSpace'>>();
  expectTypeOf<'Compacted' | 'AmbiguousWrite' | 'ElectionNoLeader'>().toExtend<Reason>();
}
