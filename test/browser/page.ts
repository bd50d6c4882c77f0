/** The code of a page: it is bundled for a browser, and runs in Chromium. The test calls its functions by name. */
import {
  catchError,
  concatMap,
  filter,
  firstValueFrom,
  lastValueFrom,
  map,
  merge,
  of,
  ReplaySubject,
  Subscription,
  switchMap,
  take,
  tap,
  timer,
  toArray,
} from 'rxjs';
import { createClient, hasReason, isEtcdError, key, put, type Client, type ClientOptions } from '../../src/index.browser.js';
import { puts } from '../../operators/index.js';

let etcd: Client;
/** The options of the client of this page. */
let optionsOfPage: ClientOptions;
const watches = new Map<number, Subscription>();
const seenBy = new Set<number | string>();

const functions = {
  /** Creates the client of this page. Returns the option that was rejected, if one was. */
  open: (options: ClientOptions): string | undefined => {
    optionsOfPage = options;
    try {
      etcd = createClient(options);
      return undefined;
    } catch (error) {
      return String(error);
    }
  },

  close: () => etcd.close(),

  /** Puts, gets and runs a transaction that fails. */
  calls: async (prefix: string) => {
    await firstValueFrom(etcd.kv.put(`${prefix}a`, 'grün ✓'));
    const found = await firstValueFrom(etcd.kv.get(`${prefix}a`));
    const missing = await firstValueFrom(etcd.kv.get(`${prefix}b`));
    const txn = etcd.kv.txn({ compare: [key(`${prefix}a`).version.equals(0)], success: [put(`${prefix}a`, 'x')] });
    const { succeeded } = await firstValueFrom(txn);
    return { found: found?.value, missing: missing === undefined, succeeded };
  },

  /** Puts and deletes under a watch. Returns what the watch saw, and over which transport. */
  watch: async (prefix: string) => {
    const events = lastValueFrom(etcd.watch({ prefix }).pipe(take(4), toArray()));
    for (const value of ['1', '2', '3']) await firstValueFrom(etcd.kv.put(`${prefix}key`, value));
    await firstValueFrom(etcd.kv.delete(`${prefix}key`));
    const seen = (await events).map(({ type, kv }) => (type === 'put' ? kv.value : type));
    return { seen, transport: await functions.transport() };
  },

  /** Creates clients in turn. Each starts a watch over a WebSocket, and is closed after up to `withinMs` milliseconds. */
  closeDuringHandshake: async (rounds: number, withinMs: number): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      const client = createClient({ ...optionsOfPage, streams: { transport: 'websocket' } });
      await firstValueFrom(client.kv.get('nothing'));
      client.watchBatches('nothing').subscribe();
      await firstValueFrom(timer(round % withinMs));
      await client.close();
    }
  },

  transport: () =>
    firstValueFrom(
      merge(etcd.watch('nothing').pipe(filter(() => false)), etcd.connection$).pipe(
        map((state) => ('status' in state && state.status === 'connected' ? state.transport : undefined)),
        filter((transport) => transport !== undefined),
      ),
    ),

  /** Follows a range. Returns its values once the second of them has changed. */
  live: async (prefix: string) => {
    await firstValueFrom(etcd.kv.put(`${prefix}a`, '1'));
    await firstValueFrom(etcd.kv.put(`${prefix}b`, '1'));
    const values = etcd.live({ prefix }).pipe(map(({ state }) => [...state.values()].map((kv) => kv.value).join()));
    const changed = firstValueFrom(values.pipe(filter((text) => text === '1,2')));
    await firstValueFrom(etcd.kv.put(`${prefix}b`, '2'));
    return changed;
  },

  /** Holds a lease for longer than its TTL, and releases it. Returns whether its key was there then and afterwards. */
  lease: async (name: string) => {
    const held = new ReplaySubject<void>(1);
    const holding = etcd
      .lease({ ttl: 2 })
      .pipe(
        filter((event) => event.type !== 'lost'),
        concatMap(({ id }) => etcd.kv.put(name, 'here', { lease: id })),
        tap(() => held.next()),
      )
      .subscribe({ error: (error: unknown) => held.error(error) });
    await firstValueFrom(held);
    await firstValueFrom(timer(5_000));
    const during = (await firstValueFrom(etcd.kv.get(name))) !== undefined;
    const gone = firstValueFrom(etcd.watch(name).pipe(filter(({ type }) => type === 'delete')));
    holding.unsubscribe();
    await gone;
    return { during, after: (await firstValueFrom(etcd.kv.get(name))) !== undefined };
  },

  /** Holds a lease of ten minutes, as the page is hidden and shown. Returns what happened to the lease. */
  hideAndShow: async () => {
    const changed = (): boolean => document.dispatchEvent(new Event('visibilitychange'));
    const events = etcd.lease({ ttl: 600 }).pipe(
      map(({ type }) => type),
      tap(changed),
      take(3),
      toArray(),
    );
    return lastValueFrom(events);
  },

  /** Makes calls from a worker that was made from text. Returns their results, or an error. */
  fromText: async (prefix: string) => {
    const text = `
      import('${location.origin}/page.js')
        .then(() => page.open({ endpoints: '/etcd' }) ?? page.calls('${prefix}'))
        .catch(String)
        .then((result) => { postMessage(result); return page.close(); });`;
    const worker = new Worker(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })), { type: 'module' });
    return new Promise<unknown>((resolve) => (worker.onmessage = ({ data }) => resolve(data)));
  },

  /** Starts two owners of one lock, each of which records when it begins and ends. Returns their records. */
  lock: async (name: string) => {
    const notes: string[] = [];
    const hold = (who: string) =>
      firstValueFrom(
        etcd.lock(name, { ttl: 10 }).pipe(
          tap(() => notes.push(`${who} begins`)),
          switchMap(() => timer(200)),
          tap(() => notes.push(`${who} ends`)),
        ),
      );
    await Promise.all([hold('first'), hold('second')]);
    return notes.map((note) => note.split(' ')[1]);
  },

  /** Begins to watch, and collects what it sees in the title of the page. */
  collect: (prefix: string) => {
    document.title = '';
    etcd
      .watch({ prefix })
      .pipe(puts())
      .subscribe({ next: ({ kv }) => (document.title += `${kv.value} `), error: (error: unknown) => (document.title = String(error)) });
  },

  /** Watches `each/0`, `each/1` and so on, each by a separate watch. */
  watchEach: (count: number) => {
    for (let index = 0; index < count; index++)
      watches.set(
        index,
        etcd.watch(`each/${index}`).subscribe({ next: () => seenBy.add(index), error: (error: unknown) => seenBy.add(String(error)) }),
      );
  },

  /** Returns the watches of `watchEach` that have seen a change, or their errors. */
  seen: () => [...seenBy],

  /** Ends those watches that have seen a change. */
  endSeen: () => watches.forEach((watch, index) => seenBy.has(index) && watch.unsubscribe()),

  /** Puts a key. Returns the reason if that fails. */
  outcomeOfPut: (name: string) =>
    firstValueFrom(
      etcd.kv.put(name, 'x').pipe(
        map(() => 'done'),
        catchError((error: unknown) => of(hasReason(error, 'AmbiguousWrite') ? error.reason : String(error))),
      ),
    ),

  put: async (name: string, value: string) => void (await firstValueFrom(etcd.kv.put(name, value))),

  /** Returns why a stream of the client waits for its next attempt, by `connection$`. */
  waitsBecause: () =>
    firstValueFrom(
      etcd.connection$.pipe(
        filter((state) => state.status === 'reconnecting'),
        map(({ cause }) => cause.reason),
      ),
    ),

  /**
   * Sends six calls that wait at the server for a lock, and a put once two of them were rejected. Returns the reasons,
   * and how many of the others still wait.
   */
  putBesideWaitingCalls: async (name: string) => {
    await firstValueFrom(etcd.lockService.lock(name));
    const reasons: unknown[] = [];
    const waiting = new Subscription();
    await new Promise<void>((resolve) => {
      for (let count = 0; count < 6; count++) {
        const refused = (error: unknown): void => {
          reasons.push(isEtcdError(error) ? error.reason : String(error));
          if (reasons.length === 2) resolve();
        };
        waiting.add(
          etcd.lockService.lock(name, { timeoutMs: 60_000 }).subscribe({ next: () => refused('it got the lock'), error: refused }),
        );
      }
    });
    await firstValueFrom(etcd.kv.put(`${name}/put`, 'x'));
    waiting.unsubscribe();
    return { reasons, waiting: 6 - reasons.length };
  },
};

export type PageFunctions = typeof functions;
declare const document: { title: string; dispatchEvent(event: Event): boolean };
declare const location: { origin: string };
declare class Worker {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  constructor(url: string, options: object);
}
Object.assign(globalThis, { page: functions });
