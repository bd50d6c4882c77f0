import { expect, test } from '@jest/globals';
import { concat, defer, finalize, NEVER, of, throwError, timer, map, type Observable } from 'rxjs';
import { withLease, type LeaseEventLike, type RunWhileOptions } from '../../operators/index.js';
import { EtcdError, hasReason } from '../../src/errors/index.js';
import { leaseId, type LeaseId } from '../../src/model/ids.js';
import { logger, Store, virtually } from './support.js';

const news = (type: string, id: number): LeaseEventLike<{ readonly id: LeaseId }> => ({ type, lease: { id: leaseId(id) } });
/** g granted, r refreshed, j refreshFailed, l lost; then h granted anew. */
const events = { g: news('granted', 1), r: news('refreshed', 1), j: news('refreshFailed', 1), l: news('lost', 1), h: news('granted', 2) };
const lost = new EtcdError('LeaseLost', 'lost');

test('the work of a lease is run once, and runs on through refreshes and jams', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('--g--r--j--r--', events);
    const work = cold('    a-----b-----c');
    expectObservable(source.pipe(withLease(() => work)), '^------------------!').toBe('--a-----b-----c');
    expectSubscriptions(work.subscriptions).toBe('--^----------------!');
  });
});

test('the work is stopped when the lease is lost, and run anew for the next one', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('--g---l---h------', events);
    const works = [cold('  a--b--c'), cold('         d--e')];
    expectObservable(source.pipe(withLease((_, index) => works[index] ?? NEVER)), '^---------------!').toBe('--a--b----d--e');
    expectSubscriptions(works[0]?.subscriptions ?? []).toBe('--^---!');
    expectSubscriptions(works[1]?.subscriptions ?? []).toBe('----------^-----!');
  });
});

test('the work gets its lease, and how many there were before', () => {
  virtually(({ cold, expectObservable }) => {
    const seen = cold('-g-l-h', events).pipe(withLease(({ id }, index) => of(`${id} ${index}`)));
    expectObservable(seen, '^-------!').toBe('-a---b', { a: '1 0', b: '2 1' });
  });
});

test('an error of the source stops the work before it is passed on', () => {
  const order: string[] = [];
  const source = concat(
    of(events.g),
    throwError(() => lost),
  );
  source.pipe(withLease(() => NEVER.pipe(finalize(() => order.push('stopped'))))).subscribe({ error: () => order.push('error') });
  expect(order).toEqual(['stopped', 'error']);

  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const work = cold('a--b--c');
    expectObservable(cold('-g---#', events, lost).pipe(withLease(() => work))).toBe('-a--b#', undefined, lost);
    expectSubscriptions(work.subscriptions).toBe('-^---!');
  });
});

test('completion of the source stops the work, for nobody holds the lease any more', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const work = cold('a--b--c');
    expectObservable(cold('-g---|', events).pipe(withLease(() => work))).toBe('-a--b|');
    expectSubscriptions(work.subscriptions).toBe('-^---!');
  });
});

test('an error of the work gives the lease back, and so does a project that throws', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-g------', events);
    expectObservable(source.pipe(withLease(() => cold('a-#')))).toBe('-a-#');
    expectSubscriptions(source.subscriptions).toBe('^--!');
    const boom = new Error('boom');
    const throwing = (): Observable<never> => {
      throw boom;
    };
    expectObservable(cold('-g-', events).pipe(withLease(throwing))).toBe('-#', undefined, boom);
  });
});

test('the lease is held on when its work completes', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-g---l--h-', events);
    expectObservable(source.pipe(withLease(() => cold('a|'))), '^---------!').toBe('-a------a-');
    expectSubscriptions(source.subscriptions).toBe('^---------!');
  });
});

test('or given back then, where that is asked for', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-g-----', events);
    expectObservable(source.pipe(withLease(() => cold('a-b|'), { onComplete: 'release' }))).toBe('-a-b|');
    expectSubscriptions(source.subscriptions).toBe('^---!');
  });
});

test('unsubscribing stops the work, and then gives the lease back', () => {
  const order: string[] = [];
  concat(of(events.g), NEVER)
    .pipe(
      finalize(() => order.push('given back')),
      withLease(() => NEVER.pipe(finalize(() => order.push('stopped')))),
    )
    .subscribe()
    .unsubscribe();
  expect(order).toEqual(['stopped', 'given back']);
});

test('each subscriber has a lease and work of its own', () => {
  virtually(({ cold, expectObservable }) => {
    const result = cold('-g-l-h', events).pipe(withLease((_, index) => of(index)));
    expectObservable(result, '^------!').toBe('-0---1', { 0: 0, 1: 1 });
    expectObservable(result, '---^------!').toBe('----0---1', { 0: 0, 1: 1 });
  });
});

test('work may be a Promise', async () => {
  const value = await new Promise((resolve) =>
    of(events.g)
      .pipe(
        (source) => concat(source, NEVER),
        withLease(async () => 7),
      )
      .subscribe(resolve),
  );
  expect(value).toBe(7);
});

test('what is not known to be done on completion is refused at once', () => {
  let error: unknown;
  try {
    withLease(() => [], { onComplete: 'revoke' } as unknown as RunWhileOptions);
  } catch (thrown) {
    error = thrown;
  }
  expect(hasReason(error, 'InvalidArgument')).toBe(true);
});

test('the example', () => {
  virtually(({ flush }) => {
    const store = new Store();
    const etcd = {
      lease: () =>
        concat(
          of(events.g),
          timer(60_000).pipe(
            map(() => {
              store.delete('services/me');
              return events.l;
            }),
          ),
          of(events.h),
          NEVER,
        ),
      kv: { put: (key: string, value: string) => defer(() => of({ header: { revision: store.put(key, value).revision } })) },
    };
    const console = logger();

    etcd
      .lease()
      .pipe(withLease(() => etcd.kv.put('services/me', '10.0.0.1')))
      .subscribe(({ header }) => console.log('announced at', header.revision));
    flush();

    expect(console.lines).toEqual(['announced at 2', 'announced at 4']);
  });
});
