import fc from 'fast-check';

/** A step of a program for the services beside keys, leases, watches and users. The numbers of leases and calls are the program's. */
export type ServiceStep =
  | { readonly kind: 'grant' | 'revoke' | 'timeToLive'; readonly lease: number }
  | { readonly kind: 'put'; readonly key: string; readonly value: string; readonly lease: number }
  | { readonly kind: 'delete'; readonly key: string }
  | { readonly kind: 'range' }
  | { readonly kind: 'lock'; readonly name: string; readonly lease: number }
  /** Unlocks the queue entry of a lease in the queue of a name, whether or not it owns the lock. */
  | { readonly kind: 'unlock'; readonly name: string; readonly lease: number }
  | { readonly kind: 'campaign'; readonly name: string; readonly lease: number; readonly value: string }
  /** Proves its leadership by the last campaign for that name with that lease. */
  | { readonly kind: 'proclaim'; readonly name: string; readonly lease: number; readonly value: string }
  | { readonly kind: 'resign'; readonly name: string; readonly lease: number }
  | { readonly kind: 'leader' | 'observe'; readonly name: string }
  /** Cancels the call that was opened as number `call`. */
  | { readonly kind: 'cancel'; readonly call: number }
  | {
      readonly kind: 'alarm';
      readonly action: 'GET' | 'ACTIVATE' | 'DEACTIVATE';
      readonly alarm: 'NONE' | 'NOSPACE' | 'CORRUPT';
      readonly of: MemberOf;
    }
  /** The URL: `new` is one that no member ever had, `known` that of the member that responds. */
  | { readonly kind: 'learner'; readonly urls: readonly string[] }
  | { readonly kind: 'remove' | 'promote'; readonly of: Exclude<MemberOf, 'own'> }
  | { readonly kind: 'update'; readonly of: Exclude<MemberOf, 'own'>; readonly urls: readonly string[] }
  | { readonly kind: 'members' | 'status' };

/** The member that responds, the last learner that was added, one that does not exist, or none. */
export type MemberOf = 'own' | 'learner' | 'unknown' | 'none';

const name = fc.constantFrom('a', 'b', 'a/b');
const lease = fc.integer({ min: 1, max: 3 });
/** Most leases are granted at first, so that most steps have an effect. */
const GRANTS: readonly ServiceStep[] = [
  { kind: 'grant', lease: 1 },
  { kind: 'grant', lease: 2 },
];
const value = fc.constantFrom('', '1', '2');
const is = <K extends string>(...kinds: readonly K[]): fc.Arbitrary<K> => fc.constantFrom(...kinds);

const contention: fc.Arbitrary<ServiceStep> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: is('lock'), name, lease }) },
  { weight: 3, arbitrary: fc.record({ kind: is('unlock'), name, lease }) },
  { weight: 5, arbitrary: fc.record({ kind: is('campaign'), name, lease, value }) },
  { weight: 3, arbitrary: fc.record({ kind: is('proclaim'), name, lease, value }) },
  { weight: 2, arbitrary: fc.record({ kind: is('resign'), name, lease }) },
  { weight: 3, arbitrary: fc.record({ kind: is('leader', 'observe'), name }) },
  { weight: 2, arbitrary: fc.record({ kind: is('cancel'), call: fc.integer({ min: 0, max: 4 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: is('grant', 'revoke', 'revoke'), lease }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: is('put'), key: fc.constantFrom('a/1', 'b/', 'a'), value, lease: fc.integer({ min: 0, max: 3 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: is('delete'), key: fc.constantFrom('a/1', 'b/') }) },
);

const bad = fc.constantFrom('10.9.8.7:2380', 'http://10.9.8.7', 'http://10.9.8.7:2380/path', '');
const validUrls = fc.constantFrom(['new'], ['new'], ['new', 'new'], ['known'], ['new', 'known']);
const urls = fc.oneof({ weight: 5, arbitrary: validUrls }, { weight: 1, arbitrary: fc.array(bad, { maxLength: 2 }) });
const other = is<Exclude<MemberOf, 'own'>>('learner', 'learner', 'unknown');

const upkeep: fc.Arbitrary<ServiceStep> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .record({
        kind: is('alarm'),
        action: is('GET', 'ACTIVATE', 'DEACTIVATE'),
        alarm: is('NONE', 'NOSPACE', 'NOSPACE', 'CORRUPT'),
        of: is<MemberOf>('own', 'own', 'unknown', 'none'),
      })
      // An alarm of no kind at no member crashes etcd 3.4.
      .map((alarm) => (alarm.alarm === 'NONE' && alarm.of === 'none' ? { ...alarm, of: 'own' as const } : alarm)),
  },
  { weight: 3, arbitrary: fc.record({ kind: is('members', 'status') }) },
  { weight: 2, arbitrary: fc.record({ kind: is('learner'), urls }) },
  { weight: 2, arbitrary: fc.record({ kind: is('remove', 'promote'), of: other }) },
  // An invalid URL crashes etcd.
  { weight: 1, arbitrary: fc.record({ kind: is('update'), of: is('learner'), urls: validUrls }) },
  { weight: 1, arbitrary: fc.record({ kind: is('update'), of: is('unknown'), urls }) },
);

const common: fc.Arbitrary<ServiceStep> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: is('put'), key: fc.constantFrom('a', 'b'), value, lease: fc.integer({ min: 0, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: is('delete'), key: fc.constantFrom('a', 'b') }) },
  { weight: 2, arbitrary: fc.record({ kind: is('range') }) },
  { weight: 1, arbitrary: fc.record({ kind: is('grant', 'revoke', 'timeToLive'), lease }) },
);

const programOf = (step: fc.Arbitrary<ServiceStep>): fc.Arbitrary<readonly ServiceStep[]> =>
  fc.array(step, { minLength: 1, maxLength: 14 }).map((steps) => [...GRANTS, ...steps]);

/** A program for locks and elections, or for alarms and members, or for all of them. */
export const serviceProgram: fc.Arbitrary<readonly ServiceStep[]> = fc.oneof(
  { weight: 5, arbitrary: programOf(fc.oneof({ weight: 5, arbitrary: contention }, { weight: 1, arbitrary: common })) },
  { weight: 2, arbitrary: programOf(fc.oneof({ weight: 1, arbitrary: upkeep }, { weight: 1, arbitrary: common })) },
  { weight: 1, arbitrary: programOf(fc.oneof({ weight: 1, arbitrary: upkeep }, { weight: 2, arbitrary: contention })) },
);
