import { describe, expect, test } from '@jest/globals';
import { timer } from 'rxjs';
import type { Client, WatchOptions, WatchState } from '../../../src/index.js';
import { createTestEtcd, type TestServer } from '../../../src/testing/index.js';
import { runInVirtualTime, watching } from './support.js';

/** Formats a state as a line. */
const shown = (state: WatchState): string => (state.status === 'reconnecting' ? `reconnecting: ${state.cause.reason}` : state.status);

/** Runs a test with a client and its server. All clients are closed after five seconds, so that the run ends. */
function run(steps: (etcd: Client, server: TestServer, at: (ms: number, step: () => void) => void) => void): void {
  runInVirtualTime(({ flush }) => {
    const { etcd, server } = createTestEtcd({ client: { streams: { initialBackoffMs: 100, maxBackoffMs: 100, jitter: 0 } } });
    timer(5_000).subscribe(() => void server.close());
    steps(etcd, server, (ms, step) => void timer(ms).subscribe(step));
    flush();
  });
}

describe('onState', () => {
  test.each<[string, WatchOptions]>([
    ['a shared watch', {}],
    ['a watch from a revision', { startRevision: 1 }],
  ])('of %s is called with each state, and with the cause of an interruption', (_, options) => {
    const states: WatchState[] = [];
    run((etcd, server, at) => {
      watching(etcd.watch('a', { ...options, onState: (state) => states.push(state) }));
      at(1_000, () => server.disconnect());
      at(1_050, () => server.connect());
    });
    expect(states.map(shown)).toEqual(['connecting', 'connected', 'reconnecting: ConnectionLost', 'connected']);
    expect(states[1]).toEqual({ status: 'connected', endpoint: expect.any(String), transport: expect.any(String) });
    expect(states[2]).toMatchObject({ retryInMs: expect.any(Number), cause: { name: 'EtcdError' } });
  });

  test('is called before onStart, and before the events that follow an interruption', () => {
    const seen: string[] = [];
    run((etcd, server, at) => {
      etcd
        .watch('a', { onStart: () => seen.push('started'), onState: (state) => seen.push(shown(state)) })
        .subscribe(({ kv }) => seen.push(`a=${kv.value}`));
      at(1_000, () => server.disconnect());
      at(1_010, () => void server.put('a', '1'));
      at(1_050, () => server.connect());
    });
    expect(seen).toEqual(['connecting', 'connected', 'started', 'reconnecting: ConnectionLost', 'connected', 'a=1']);
  });

  test('has the cause for a watch whose start revision is not known yet, and for a late subscriber', () => {
    const [first, second]: string[][] = [[], []];
    run((etcd, server, at) => {
      server.disconnect();
      watching(etcd.watch('a', { onState: (state) => first?.push(shown(state)) }));
      at(1_050, () => watching(etcd.watch('a', { onState: (state) => second?.push(shown(state)) })));
      at(1_060, () => server.connect());
    });
    expect(first?.slice(0, 2)).toEqual(['connecting', 'reconnecting: Unreachable']);
    expect(first?.at(-1)).toBe('connected');
    expect(second?.slice(0, 2)).toEqual(['connecting', 'reconnecting: Unreachable']);
    expect(second?.at(-1)).toBe('connected');
  });

  test('starts with the current state for a late subscriber', () => {
    const late: string[] = [];
    run((etcd, server, at) => {
      watching(etcd.watch('a'));
      at(1_000, () => server.disconnect());
      at(1_050, () => watching(etcd.watch('a', { onState: (state) => late.push(shown(state)) })));
      at(1_060, () => server.connect());
      at(2_000, () => watching(etcd.watch('a', { onState: (state) => late.push(`later ${shown(state)}`) })));
    });
    expect(late[0]).toMatch(/^reconnecting: /);
    expect(late.slice(-2)).toEqual(['connected', 'later connected']);
  });

  test('is not called any more once its subscriber has left, even by another function of the same watch', () => {
    const seen: string[] = [];
    run((etcd, server, at) => {
      const leave = etcd.watch('a', { onState: (state) => state.status === 'reconnecting' && other.unsubscribe() }).subscribe();
      const other = etcd.watch('a', { onState: (state) => seen.push(shown(state)) }).subscribe();
      at(1_000, () => server.disconnect());
      at(2_000, () => leave.unsubscribe());
    });
    expect(seen).toEqual(['connecting', 'connected']);
  });

  test('may end a watch with one subscriber during the notification of an interruption', () => {
    const seen: string[] = [];
    run((etcd, server, at) => {
      const watch = etcd
        .watch('a', {
          startRevision: 1,
          onState: (state) => {
            seen.push(shown(state));
            if (state.status === 'reconnecting') watch.unsubscribe();
          },
        })
        .subscribe();
      at(1_000, () => server.disconnect());
      at(1_050, () => server.connect());
      at(2_000, () => seen.push(`${server.watches.length} watches`));
    });
    expect(seen).toEqual(['connecting', 'connected', 'reconnecting: ConnectionLost', '0 watches']);
  });

  test.each(['connecting', 'connected', 'reconnecting'])(
    'errors its subscriber with the thrown error at %s, and no other subscriber of the watch',
    (when) => {
      const fault = new Error('not now');
      let outcome: unknown;
      run((etcd, server, at) => {
        const onState = ({ status }: WatchState): void => {
          if (status === when) throw fault;
        };
        const [throwing, other] = [watching(etcd.watch('a', { onState })), watching(etcd.watch('a'))];
        at(1_000, () => server.disconnect());
        at(1_050, () => server.connect());
        at(2_000, () => void server.put('a', '1'));
        at(3_000, () => (outcome = [throwing.errors, throwing.values, other.errors, other.values.length]));
      });
      expect(outcome).toEqual([[fault], [], [], 1]);
    },
  );
});

describe('onStart', () => {
  test('is not called once its subscriber has left, even by another function of the same watch', () => {
    let calls = 0;
    run((etcd) => {
      const leave = etcd.watch('a', { onStart: () => other.unsubscribe() }).subscribe();
      const other = etcd.watch('a', { onStart: () => (calls += 1) }).subscribe();
      timer(2_000).subscribe(() => leave.unsubscribe());
    });
    expect(calls).toBe(0);
  });

  test('is not called after onState threw', () => {
    const fault = new Error('not now');
    const seen: unknown[] = [];
    run((etcd, _server, at) => {
      watching(etcd.watch('a'));
      const onState = (): void => {
        throw fault;
      };
      at(1_000, () => etcd.watch('a', { onState, onStart: () => seen.push('started') }).subscribe({ error: (error) => seen.push(error) }));
    });
    expect(seen).toEqual([fault]);
  });
});
