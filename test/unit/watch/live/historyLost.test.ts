import { describe, expect, test } from '@jest/globals';
import * as t from 'io-ts';
import { distinctUntilChanged, EMPTY, map, mergeMap, type Observable, switchMap, take, timer } from 'rxjs';
import type { Client, ViewState } from '../../../../src/index.js';
import { story, type Stage } from '../../testing/story.js';

interface Viewed extends Pick<ViewState<unknown>, 'status' | 'error'> {
  /** The number in `a/n`. */
  readonly n: string | number | undefined;
}

/** Each kind of view. */
const VIEWS: Readonly<Record<string, (etcd: Client) => Observable<Viewed>>> = {
  liveState: (etcd) => etcd.liveState({ prefix: 'a/' }).pipe(map(({ value, ...rest }) => ({ ...rest, n: value?.get('a/n')?.value }))),
  liveValueState: (etcd) => etcd.liveValueState('a/n', { codec: t.number }).pipe(map(({ value, ...rest }) => ({ ...rest, n: value }))),
  combineLiveState: (etcd) =>
    etcd
      .combineLiveState({ n: { key: 'a/n', codec: t.number }, rest: { prefix: 'b/' } })
      .pipe(map(({ value, ...rest }) => ({ ...rest, n: value?.n }))),
  liveConfigState: (etcd) =>
    etcd.liveConfigState('a/', { codec: t.type({ n: t.number }) }).pipe(map(({ value, ...rest }) => ({ ...rest, n: value?.n }))),
};

const text = ({ status, n, error }: Viewed): string => [status, n, error?.reason].filter((part) => part !== undefined).join(' ');

/** Breaks the connections, and compacts the history that the clients miss. */
function compactWhileAway({ server }: Stage): void {
  server.disconnect();
  server.put('a/n', '2');
  server.put('a/n', '3');
  server.compact();
  server.connect();
}

function wipe({ server }: Stage): void {
  server.restart({ wipe: true });
  server.put('a/n', '3');
}

describe.each(Object.entries(VIEWS))('%s', (_, view) => {
  const shownBy = (lose: (stage: Stage) => void, source: (etcd: Client) => Observable<Viewed>): readonly string[] =>
    story((stage) => {
      const { etcd, server, tell, at } = stage;
      server.put('a/n', '1');
      // The state of its connection says nothing about that of the view.
      etcd.liveState('other').subscribe();
      tell('view', source(etcd), text);
      at(1_000, () => lose(stage));
      at(60_000, () => server.close());
    });

  test('is stale from the loss of the history until the next list', () => {
    const lines = shownBy(compactWhileAway, view);
    expect(lines.slice(-3)).toEqual(['view: stale 1 Compacted', 'view: live 3', 'view completed']);
    expect(lines.slice(0, 3)).toEqual(['view: loading', 'view: live 1', 'view: stale 1 ConnectionLost']);
  });

  test('is stale from the end of its store until the list of the next one', () => {
    const lines = shownBy(wipe, view);
    expect(lines.slice(-3)).toEqual(['view: stale 1 ClusterIDMismatch', 'view: live 3', 'view completed']);
  });

  test('is stale at first for subscribers between the loss of the history and the next list', () => {
    const lines = shownBy(compactWhileAway, (etcd) => {
      const lost = view(etcd).pipe(switchMap((state) => (state.error?.reason === 'Compacted' ? timer(1) : EMPTY)));
      return lost.pipe(
        take(1),
        switchMap(() => view(etcd)),
      );
    });
    expect(lines).toEqual(['view: stale 1 Compacted', 'view: live 3', 'view completed']);
  });
});

describe('cache', () => {
  test.each([
    ['a compaction', compactWhileAway],
    ['a wipe', wipe],
  ])('does not serve a linearizable read from its state before %s', (_, lose) => {
    const lines = story((stage) => {
      const { etcd, server, tell, at } = stage;
      server.put('a/n', '1');
      etcd.liveState('other').subscribe();
      const reads = etcd.cache({ prefix: 'a/' }).pipe(
        switchMap((cache) =>
          timer(1_001, 1).pipe(
            take(500),
            mergeMap(() => cache.get('a/n')),
          ),
        ),
      );
      tell('read', reads.pipe(distinctUntilChanged((a, b) => a?.value === b?.value)), (kv) => String(kv?.value));
      at(1_000, () => lose(stage));
      at(60_000, () => server.close());
    });
    expect(lines).toEqual(['read: 3', 'read completed']);
  });
});
