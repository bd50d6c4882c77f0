import type { LeaseId } from '../../model/ids.js';
import type { Key } from './keys.js';
import type { Mvcc } from './mvcc.js';
import { refusal } from './refusal.js';

/** The minimum TTL that etcd grants with its default settings, in seconds. */
const MIN_TTL = 2;
const MAX_TTL = 9_000_000_000;

/** A lease with its keys. */
export interface Lease {
  readonly id: LeaseId;
  /** The granted TTL in seconds. */
  readonly ttl: number;
  /** The time at which the lease expires, in milliseconds. */
  readonly expiry: number;
  readonly keys: ReadonlySet<Key>;
}

/** Holds the leases. If a lease ends, its keys are deleted. */
export class Leases {
  private readonly byId = new Map<LeaseId, { -readonly [K in keyof Lease]: Lease[K] extends ReadonlySet<Key> ? Set<Key> : Lease[K] }>();
  private lastId = 7_587_000_000_000_000_000n;
  /**
   * A time before which no lease expires. It is not exact, because the exact time would need a pass over all leases at
   * each refresh.
   */
  private earliest = Infinity;

  constructor(
    private readonly mvcc: Mvcc,
    private readonly now: () => number,
  ) {}

  /**
   * Grants a lease.
   *
   * @param id the requested id, or `'0'` for an id that the server chooses
   */
  grant(id: LeaseId, ttl: number): Lease {
    if (ttl > MAX_TTL) throw refusal('LeaseTTLTooLarge');
    if (this.byId.has(id)) throw refusal('LeaseExist');
    const granted = Math.max(ttl, MIN_TTL);
    const lease = { id: id === '0' ? this.newId() : id, ttl: granted, expiry: this.now() + granted * 1000, keys: new Set<Key>() };
    this.byId.set(lease.id, lease);
    this.earliest = Math.min(this.earliest, lease.expiry);
    return lease;
  }

  /** Refreshes a lease, and returns its TTL; 0 if the lease does not exist or has expired. */
  refresh(id: LeaseId): number {
    const lease = this.byId.get(id);
    if (lease === undefined || lease.expiry <= this.now()) return 0;
    lease.expiry = this.now() + lease.ttl * 1000;
    return lease.ttl;
  }

  /** Ends a lease, and deletes its keys at one revision. */
  revoke(id: LeaseId): void {
    const lease = this.byId.get(id);
    if (lease === undefined) throw refusal('LeaseNotFound');
    this.mvcc.transaction(() => {
      for (const key of [...lease.keys].sort()) this.mvcc.delete({ from: key, to: undefined, single: true });
    });
    this.byId.delete(id);
  }

  get(id: LeaseId): Lease | undefined {
    return this.byId.get(id);
  }

  /** Returns all leases, sorted by expiry. */
  all(): readonly Lease[] {
    return [...this.byId.values()].sort((a, b) => a.expiry - b.expiry);
  }

  /**
   * Checks that a lease exists.
   *
   * @throws Refusal if the lease does not exist, unless the id is `'0'`, which means no lease
   */
  check(id: LeaseId): void {
    if (id !== '0' && !this.byId.has(id)) throw refusal('LeaseNotFound');
  }

  /** Moves a key from one lease to another. */
  attach(key: Key, before: LeaseId | undefined, after: LeaseId | undefined): void {
    if (before !== undefined && before !== after) this.byId.get(before)?.keys.delete(key);
    if (after !== undefined) this.byId.get(after)?.keys.add(key);
  }

  /**
   * Returns a time before which no lease expires; undefined if there are no leases. {@link expire} updates this time.
   */
  nextExpiry(): number | undefined {
    if (this.byId.size === 0) this.earliest = Infinity;
    return this.byId.size === 0 ? undefined : this.earliest;
  }

  /** Revokes the leases whose TTL has passed, in the order in which they expired. */
  expire(): void {
    const now = this.now();
    if (now < this.earliest) return;
    for (const { id, expiry } of this.all()) if (expiry <= now) this.revoke(id);
    this.earliest = Infinity;
    for (const { expiry } of this.byId.values()) this.earliest = Math.min(this.earliest, expiry);
  }

  /** Restarts the TTL of each lease, as a new leader does. */
  extendAll(): void {
    for (const lease of this.byId.values()) lease.expiry = this.now() + lease.ttl * 1000;
  }

  private newId(): LeaseId {
    this.lastId += 1n;
    return this.lastId.toString() as LeaseId;
  }
}
