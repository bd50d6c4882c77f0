import { expect, test } from '@jest/globals';
import { concat, finalize, NEVER, of, throwError, type Observable } from 'rxjs';
import { withLease, type LeaseEventLike, type RunWhileOptions } from '../../operators/index.js';
import { EtcdError, hasReason } from '../../src/errors/index.js';
import { leaseId, type LeaseId } from '../../src/model/ids.js';
import { createTestEtcd } from '../../src/testing/index.js';
import { logger, runInVirtualTime } from './support.js';

const news = (type: string, id: number): LeaseEventLike<{ readonly id: LeaseId }> => ({ type, lease: { id: leaseId(id) } });
/** g granted, r refreshed, j refreshFailed, l lost; then h granted again. */
const events = { g: news('granted', 1), r: news('refreshed', 1), j: news('refreshFailed', 1), l: news('lost', 1), h: news('granted', 2) };
const lost = new EtcdError('LeaseLost', 'lost');

test('runs the work of a lease once, through refreshes and failures of refreshes', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('--g--r--j--r--', events);
    const work = cold('    a-----b-----c');
    expectObservable(source.pipe(withLease(() => work)), '^------------------!').toBe('--a-----b-----c');
    expectSubscriptions(work.subscriptions).toBe('--^----------------!');
  });
});

test('stops the work when the lease is lost, and runs it again for the next one', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('--g---l---h------', events);
    const works = [cold('  a--b--c'), cold('         d--e')];
    expectObservable(source.pipe(withLease((_, index) => works[index] ?? NEVER)), '^---------------!').toBe('--a--b----d--e');
    expectSubscriptions(works[0]?.subscriptions ?? []).toBe('--^---!');
    expectSubscriptions(works[1]?.subscriptions ?? []).toBe('----------^-----!');
  });
});

test('passes the lease and the number of earlier ones to the work', () => {
  runInVirtualTime(({ cold, expectObservable }) => {
    const seen = cold('-g-l-h', events).pipe(withLease(({ id }, index) => of(`${id} ${index}`)));
    expectObservable(seen, '^-------!').toBe('-a---b', { a: '1 0', b: '2 1' });
  });
});

test('stops the work before it passes on an error of the source', () => {
  const order: string[] = [];
  const source = concat(
    of(events.g),
    throwError(() => lost),
  );
  source.pipe(withLease(() => NEVER.pipe(finalize(() => order.push('stopped'))))).subscribe({ error: () => order.push('error') });
  expect(order).toEqual(['stopped', 'error']);

  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const work = cold('a--b--c');
    expectObservable(cold('-g---#', events, lost).pipe(withLease(() => work))).toBe('-a--b#', undefined, lost);
    expectSubscriptions(work.subscriptions).toBe('-^---!');
  });
});

test('stops the work when the source completes, as the lease is no longer held', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const work = cold('a--b--c');
    expectObservable(cold('-g---|', events).pipe(withLease(() => work))).toBe('-a--b|');
    expectSubscriptions(work.subscriptions).toBe('-^---!');
  });
});

test('revokes the lease when the work or project fails', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
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

test('keeps the lease when its work completes', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-g---l--h-', events);
    expectObservable(source.pipe(withLease(() => cold('a|'))), '^---------!').toBe('-a------a-');
    expectSubscriptions(source.subscriptions).toBe('^---------!');
  });
});

test('revokes the lease when its work completes, if the option is set', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-g-----', events);
    expectObservable(source.pipe(withLease(() => cold('a-b|'), { onComplete: 'release' }))).toBe('-a-b|');
    expectSubscriptions(source.subscriptions).toBe('^---!');
  });
});

test('unsubscribing stops the work, and then revokes the lease', () => {
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

test('has a separate lease and work for each subscriber', () => {
  runInVirtualTime(({ cold, expectObservable }) => {
    const result = cold('-g-l-h', events).pipe(withLease((_, index) => of(index)));
    expectObservable(result, '^------!').toBe('-0---1', { 0: 0, 1: 1 });
    expectObservable(result, '---^------!').toBe('----0---1', { 0: 0, 1: 1 });
  });
});

test('accepts a Promise as the work', async () => {
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

test('rejects an unknown action for completion at once', () => {
  let error: unknown;
  try {
    withLease(() => [], { onComplete: 'revoke' } as unknown as RunWhileOptions);
  } catch (thrown) {
    error = thrown;
  }
  expect(hasReason(error, 'InvalidArgument')).toBe(true);
});

test('the example', () => {
  runInVirtualTime(({ cold, flush }) => {
    const { etcd, server } = createTestEtcd();
    const console = logger();

    etcd
      .lease({ ttl: 10, onLost: 'regrant' })
      .pipe(withLease(({ id }) => etcd.kv.put('services/me', '10.0.0.1', { lease: id })))
      .subscribe(({ header }) => console.log('announced at', header.revision));
    // The machine sleeps, and its lease expires.
    cold('60s x').subscribe(() => server.leases.forEach(({ id }) => server.expireLease(id)));
    cold('120s x').subscribe(() => void server.close());
    flush();

    expect(console.lines).toEqual(['announced at 2', 'announced at 4']);
  });
});
