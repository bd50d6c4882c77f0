import { catchError, defer, EMPTY, map, of, repeat, throwError, type Observable } from 'rxjs';
import { persistenceOf } from '../../../src/errors/index.js';
import { del, get, isEtcdError, key, put, type Client, type KeyValue, type Op } from '../../../src/index.js';
import type { Random } from '../random.js';

/** The sum that every txn keeps. */
export const SUM = 1_000;

/** The five keys. */
export const KEYS = ['sum/a/1', 'sum/a/2', 'sum/m', 'sum/x/1', 'sum/x/2'] as const;
type Key = (typeof KEYS)[number];

/** Three ranges that hold the five keys. Between them is a key that belongs to no range. */
export const RANGES = { first: { prefix: 'sum/a/' }, one: { key: 'sum/m' }, last: { from: 'sum/x', to: 'sum/y' } } as const;
const BETWEEN = 'sum/b';

/** Returns the sum of the amounts of some keys. */
export function sumOf(kvs: Iterable<KeyValue>): number {
  let sum = 0;
  for (const kv of kvs) sum += Number(kv.value);
  return sum;
}

/** Returns whether a write failed because of a temporary fault. It may have been committed or not. */
const ofFault = (error: unknown): boolean =>
  isEtcdError(error) && (error.reason === 'AmbiguousWrite' || persistenceOf(error) !== 'permanent');

/** Random txns over the five keys, none of which changes their sum. A key without an amount does not exist. */
export class Transfers {
  /** The revisions of the txns that are known to be committed. */
  readonly revisions = new Set<number>();
  /** The newest of them. */
  newest = 0;
  private known = new Map<Key, { readonly amount: number; readonly modRevision: number }>();

  constructor(
    private readonly client: Pick<Client, 'kv'>,
    private readonly random: Random,
  ) {}

  /** Commits txns one after the other as long as it may, with a pause after each. */
  run(mayGo: () => boolean, pause: Observable<unknown> = of(undefined)): Observable<unknown> {
    return defer(() => this.once()).pipe(repeat({ delay: () => (mayGo() ? pause : EMPTY) }));
  }

  private once(): Observable<unknown> {
    const { random } = this;
    const write = random.chance(0.1) ? this.between() : random.chance(0.4) ? this.rewrite() : this.move();
    return write.pipe(catchError((error: unknown) => (ofFault(error) ? of(undefined) : throwError(() => error))));
  }

  /** Changes a key between the ranges, which affects no range. */
  private between(): Observable<unknown> {
    return this.client.kv.put(BETWEEN, String(this.random.int(0, SUM)));
  }

  /** Changes all five keys, whatever their values are. */
  rewrite(): Observable<unknown> {
    return this.commit([], spread(SUM, KEYS, this.random));
  }

  /** Moves amounts between some of the keys, if they have not changed since this writer read them. */
  private move(): Observable<unknown> {
    const some = KEYS.filter(() => this.random.chance(0.5));
    const held = some.reduce((sum, name) => sum + (this.known.get(name)?.amount ?? 0), 0);
    return some.length < 2 ? this.rewrite() : this.commit(some, spread(held, some, this.random));
  }

  private commit(unchanged: readonly Key[], amounts: ReadonlyMap<Key, number>): Observable<unknown> {
    const compare = unchanged.map((name) => key(name).modRevision.equals(this.known.get(name)?.modRevision ?? 0));
    const success = [...amounts].map(([name, amount]): Op => (amount === 0 ? del(name) : put(name, String(amount))));
    return this.client.kv.txn({ compare, success, failure: KEYS.map((name) => get(name)) }).pipe(
      map((result) => {
        if (!result.succeeded) {
          result.responses.forEach((kv, index) => this.learn(KEYS[index], kv));
          return;
        }
        const { revision } = result.header;
        for (const [name, amount] of amounts)
          if (amount === 0) this.known.delete(name);
          else this.known.set(name, { amount, modRevision: revision });
        // A txn that only deletes missing keys creates no revision; its response has the one before.
        if ([...amounts.values()].every((amount) => amount === 0)) return;
        this.revisions.add(revision);
        this.newest = revision;
      }),
    );
  }

  private learn(name: Key | undefined, kv: KeyValue | undefined): void {
    if (name === undefined) return;
    if (kv === undefined) this.known.delete(name);
    else this.known.set(name, { amount: Number(kv.value), modRevision: kv.modRevision });
  }
}

/** Spreads an amount over keys at random; some of them get none. */
function spread(amount: number, keys: readonly Key[], random: Random): Map<Key, number> {
  const amounts = new Map<Key, number>();
  let rest = amount;
  for (const name of keys.slice(1)) {
    const part = random.chance(0.2) ? 0 : random.int(0, rest);
    amounts.set(name, part);
    rest -= part;
  }
  const [first] = keys;
  if (first !== undefined) amounts.set(first, rest);
  return amounts;
}
