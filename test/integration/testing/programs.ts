import fc from 'fast-check';
import type { authRpcs } from '../../../src/codec/auth.js';
import type { RequestOf } from '../../../src/codec/descriptors.js';

/** A revision of a program, counted from its beginning; 0 if a request names none. */
export type Rel = number;

/** A request whose revisions count from the beginning of the program. They are in the fields that end in `Revision`. */
export type Relative<T> = T;

/** A range of keys, as requests have it. */
interface Span {
  readonly key: string | Uint8Array;
  readonly rangeEnd?: string | Uint8Array;
}

export interface RangeOp extends Span {
  readonly kind: 'range';
  readonly limit?: number;
  readonly revision?: Rel;
  readonly sortOrder?: 'NONE' | 'ASCEND' | 'DESCEND';
  readonly sortTarget?: 'KEY' | 'VERSION' | 'CREATE' | 'MOD' | 'VALUE';
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
  readonly minModRevision?: Rel;
  readonly maxModRevision?: Rel;
  readonly minCreateRevision?: Rel;
  readonly maxCreateRevision?: Rel;
}

export interface PutOp {
  readonly kind: 'put';
  readonly key: string | Uint8Array;
  readonly value: string | Uint8Array;
  /** The number of a lease of the program. */
  readonly lease?: number;
  readonly prevKv?: boolean;
  readonly ignoreValue?: boolean;
  readonly ignoreLease?: boolean;
}

export interface DeleteOp extends Span {
  readonly kind: 'delete';
  readonly prevKv?: boolean;
}

export interface Comparison extends Span {
  readonly target: 'VERSION' | 'CREATE' | 'MOD' | 'VALUE' | 'LEASE';
  readonly result: 'EQUAL' | 'GREATER' | 'LESS' | 'NOT_EQUAL';
  readonly version?: number;
  readonly createRevision?: Rel;
  readonly modRevision?: Rel;
  readonly value?: string | Uint8Array;
  readonly lease?: number;
}

export interface TxnOp {
  readonly kind: 'txn';
  readonly compare: readonly Comparison[];
  readonly success: readonly KvOp[];
  readonly failure: readonly KvOp[];
}

/** An operation of a txn. */
export type KvOp = RangeOp | PutOp | DeleteOp | TxnOp;

export interface WatchOp extends Span {
  readonly kind: 'watch';
  readonly startRevision?: Rel;
  readonly prevKv?: boolean;
  readonly filters?: readonly ('NOPUT' | 'NODELETE')[];
  readonly watchId?: number;
}

/** The users of a program; `bad` has a token that is not valid. */
export type User = 'root' | 'one' | 'two' | 'nobody' | 'bad';

/** A call to the service for users and roles. */
export type AuthStep = {
  readonly [N in keyof typeof authRpcs]: { readonly kind: 'auth'; readonly name: N; readonly request: RequestOf<(typeof authRpcs)[N]> };
}[keyof typeof authRpcs];

/** A step of a program. */
export type Step =
  | KvOp
  | AuthStep
  | { readonly kind: 'as'; readonly user: User; readonly password: string }
  | WatchOp
  | { readonly kind: 'compact'; readonly revision: Rel }
  | { readonly kind: 'grant' | 'revoke' | 'refresh'; readonly lease: number }
  | { readonly kind: 'timeToLive'; readonly lease: number; readonly keys: boolean }
  | { readonly kind: 'cancel'; readonly watch: number };

const FF = Uint8Array.of(0x61, 0xff);

/** Few keys, so that the steps of a program affect each other. */
const key = fc.constantFrom<string | Uint8Array>('a', 'b', 'c', 'aa', 'a/', FF);
const end = fc.constantFrom<string | Uint8Array>('b', 'c', 'd', 'aa', FF, '\0', 'a');
const value = fc.constantFrom<string | Uint8Array>('', '1', '2', '10', 'ä', Uint8Array.of(0xff, 0));
const rel = fc.integer({ min: 1, max: 14 });
const lease = fc.integer({ min: 1, max: 2 });
const flag = fc.constant(true);

/** Fields of which each is missing in most cases. */
const some = <T extends object>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<Partial<T>> =>
  fc.record(
    Object.fromEntries(
      Object.entries<fc.Arbitrary<unknown>>(fields).map(([name, of]) => [name, fc.option(of, { nil: undefined, freq: 3 })]),
    ) as { [K in keyof T]: fc.Arbitrary<T[K]> },
  );

const sparse = <T extends object>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<Partial<T>> =>
  fc
    .tuple(some(fields), fc.array(fc.constantFrom(...Object.keys(fields)), { maxLength: 3 }))
    .map(
      ([all, kept]) =>
        Object.fromEntries(Object.entries(all).filter(([name, of]) => of !== undefined && kept.includes(name))) as Partial<T>,
    );

const span: fc.Arbitrary<Span> = fc.oneof(
  { weight: 2, arbitrary: key.map((one) => ({ key: one })) },
  { weight: 3, arbitrary: fc.record({ key, rangeEnd: end }) },
  { weight: 1, arbitrary: fc.constant({ key: '\0', rangeEnd: '\0' }) },
);

const range: fc.Arbitrary<RangeOp> = fc
  .tuple(
    span,
    sparse<Omit<RangeOp, 'kind' | 'key' | 'rangeEnd'>>({
      limit: fc.integer({ min: -1, max: 4 }),
      revision: rel,
      sortOrder: fc.constantFrom('NONE', 'ASCEND', 'DESCEND'),
      sortTarget: fc.constantFrom('KEY', 'VERSION', 'CREATE', 'MOD', 'VALUE'),
      keysOnly: flag,
      countOnly: flag,
      minModRevision: rel,
      maxModRevision: rel,
      minCreateRevision: rel,
      maxCreateRevision: rel,
    }),
  )
  .map(([of, options]): RangeOp => ({ kind: 'range', ...of, ...options }));

const put: fc.Arbitrary<PutOp> = fc
  .tuple(
    fc.record({ key, value }),
    sparse<Omit<PutOp, 'kind' | 'key' | 'value'>>({ lease, prevKv: flag, ignoreValue: flag, ignoreLease: flag }),
  )
  .map(([of, options]): PutOp => ({ kind: 'put', ...of, ...options, ...(options.ignoreValue === true ? { value: '' } : {}) }));

const remove: fc.Arbitrary<DeleteOp> = fc
  .tuple(span, sparse<Pick<DeleteOp, 'prevKv'>>({ prevKv: flag }))
  .map(([of, options]): DeleteOp => ({ kind: 'delete', ...of, ...options }));

const comparison: fc.Arbitrary<Comparison> = fc
  .record({
    of: fc.oneof({ weight: 2, arbitrary: key.map((one) => ({ key: one })) }, { weight: 1, arbitrary: span }),
    result: fc.constantFrom('EQUAL' as const, 'GREATER' as const, 'LESS' as const, 'NOT_EQUAL' as const),
    target: fc.oneof(
      fc.record({ target: fc.constant('VERSION' as const), version: fc.integer({ min: 0, max: 3 }) }),
      fc.record({ target: fc.constant('CREATE' as const), createRevision: fc.integer({ min: 0, max: 10 }) }),
      fc.record({ target: fc.constant('MOD' as const), modRevision: fc.integer({ min: 0, max: 10 }) }),
      fc.record({ target: fc.constant('VALUE' as const), value }),
      fc.record({ target: fc.constant('LEASE' as const), lease: fc.integer({ min: 0, max: 2 }) }),
      // A compare without an operand.
      fc.record({ target: fc.constantFrom('VERSION' as const, 'VALUE' as const, 'LEASE' as const) }),
    ),
  })
  .map(({ of, result, target }): Comparison => ({ ...of, result, ...target }));

const txnOf = (op: fc.Arbitrary<KvOp>): fc.Arbitrary<TxnOp> =>
  fc.record({
    kind: fc.constant('txn' as const),
    compare: fc.array(comparison, { maxLength: 2 }),
    success: fc.array(op, { maxLength: 3 }),
    failure: fc.array(op, { maxLength: 3 }),
  });

/** Deletions of all keys from one on are left out: etcd lets a txn also put these keys, and may crash later. */
const removeInTxn = remove.map((op) => (op.rangeEnd === '\0' ? { ...op, key: 'a', rangeEnd: 'd' } : op));
const plain: fc.Arbitrary<KvOp> = fc.oneof(range, put, put, removeInTxn);
const nested = txnOf(plain);
const txn = txnOf(fc.oneof({ weight: 4, arbitrary: plain }, { weight: 1, arbitrary: nested }));

const watch: fc.Arbitrary<WatchOp> = fc
  .tuple(
    span,
    sparse<Omit<WatchOp, 'kind' | 'key' | 'rangeEnd'>>({
      startRevision: rel,
      prevKv: flag,
      filters: fc.array(fc.constantFrom('NOPUT', 'NODELETE'), { maxLength: 2 }),
      watchId: fc.integer({ min: 1, max: 3 }),
    }),
  )
  .map(([of, options]): WatchOp => ({ kind: 'watch', ...of, ...options }));

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: put },
  { weight: 3, arbitrary: remove },
  { weight: 5, arbitrary: range },
  { weight: 5, arbitrary: txn },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('compact' as const), revision: rel }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('grant' as const, 'grant' as const, 'revoke' as const, 'refresh' as const), lease }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('timeToLive' as const), lease, keys: fc.boolean() }) },
  { weight: 2, arbitrary: watch },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), watch: fc.integer({ min: 0, max: 2 }) }) },
);

/** A program of some steps. */
export const program: fc.Arbitrary<readonly Step[]> = fc.array(step, { minLength: 1, maxLength: 16 });

const name = fc.constantFrom('one', 'two', 'root');
const role = fc.constantFrom('reader', 'writer', 'root');
const password = fc.constantFrom('pw', 'pw', 'pw', 'other');
const permission = fc.record({ permType: fc.constantFrom('READ' as const, 'WRITE' as const, 'READWRITE' as const), of: span });

const auth: fc.Arbitrary<AuthStep> = fc
  .oneof(
    fc.record({ name: fc.constant('userAdd' as const), request: fc.record({ name, password }) }),
    fc.record({ name: fc.constant('userGet' as const), request: fc.record({ name }) }),
    fc.record({ name: fc.constant('userList' as const), request: fc.constant({}) }),
    fc.record({ name: fc.constant('userDelete' as const), request: fc.record({ name }) }),
    fc.record({ name: fc.constant('userChangePassword' as const), request: fc.record({ name: fc.constantFrom('one', 'two'), password }) }),
    fc.record({ name: fc.constant('userGrantRole' as const), request: fc.record({ user: name, role }) }),
    fc.record({ name: fc.constant('userRevokeRole' as const), request: fc.record({ name, role }) }),
    fc.record({ name: fc.constant('roleAdd' as const), request: fc.record({ name: role }) }),
    fc.record({ name: fc.constant('roleGet' as const), request: fc.record({ role }) }),
    fc.record({ name: fc.constant('roleList' as const), request: fc.constant({}) }),
    fc.record({ name: fc.constant('roleDelete' as const), request: fc.record({ role }) }),
    permission.chain(({ permType, of }) =>
      fc.record({
        name: fc.constant('roleGrantPermission' as const),
        request: fc.record({ name: role, perm: fc.constant({ permType, ...of }) }),
      }),
    ),
    fc.record({ name: fc.constant('enable' as const), request: fc.constant({}) }),
  )
  .map((call) => ({ kind: 'auth', ...call }));

const as: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant('as' as const),
  user: fc.constantFrom<User>('root', 'root', 'one', 'two', 'nobody', 'bad'),
  password,
});

const lateStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: auth },
  { weight: 4, arbitrary: as },
  { weight: 6, arbitrary: plain },
  { weight: 2, arbitrary: nested },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('grant' as const, 'revoke' as const, 'refresh' as const), lease }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('timeToLive' as const), lease, keys: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('compact' as const), revision: rel }) },
  { weight: 2, arbitrary: watch },
);

const SETUP: readonly Step[] = [
  { kind: 'auth', name: 'userAdd', request: { name: 'one', password: 'pw' } },
  { kind: 'auth', name: 'roleAdd', request: { name: 'reader' } },
  { kind: 'auth', name: 'userGrantRole', request: { user: 'one', role: 'reader' } },
  { kind: 'auth', name: 'roleGrantPermission', request: { name: 'reader', perm: { permType: 'READ', key: 'a', rangeEnd: 'c' } } },
  { kind: 'auth', name: 'roleGrantPermission', request: { name: 'reader', perm: { permType: 'WRITE', key: 'aa', rangeEnd: 'b' } } },
];

/** A program with auth enabled, and some users with permissions. */
export const authProgram: fc.Arbitrary<readonly Step[]> = fc
  .array(lateStep, { minLength: 1, maxLength: 14 })
  .map((steps) => [...SETUP, ...steps]);
