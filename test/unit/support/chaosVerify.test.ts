import { describe, expect, test } from '@jest/globals';
import { verify, type Happened } from '../../support/chaos/verify.js';
import type { Line } from '../../support/chaos/protocol.js';

const A = 'chaos/lock/red/a';
const B = 'chaos/lock/red/b';
const counter = 'chaos/counter/red';

const at = (revision: number) => revision * 100;
const put = (key: string, revision: number, value = ''): Happened => ({
  revision,
  type: 'put',
  key,
  value,
  createRevision: revision,
  at: at(revision),
});
const del = (key: string, revision: number): Happened => ({
  revision,
  type: 'delete',
  key,
  value: '',
  createRevision: 0,
  at: at(revision),
});
const count = (revision: number, n: number, owner: number): Happened => put(counter, revision, JSON.stringify({ n, owner }));
const tick = (key: string, when: number, alive: boolean): Line => ({ is: 'tick', at: when, key, alive });
const lost = (key: string, when: number): Line => ({ is: 'lost', at: when, key });

/** A is the owner from 2, B waits from 3 on, and is the owner from 6 on. */
const HISTORY = [put(A, 2), put(B, 3), count(4, 1, 2), count(5, 2, 2), del(A, 6), count(7, 3, 3), del(B, 8)];
const faults = (history: readonly Happened[], lines: readonly Line[] = []): string => {
  try {
    verify(history, lines);
    return '';
  } catch (error) {
    return String(error);
  }
};

describe('the check of the chaos test for locks', () => {
  test('reports nothing if every owner wrote in its time, and knew when it was over', () => {
    const lines = [tick(A, 300, true), tick(A, 550, true), tick(A, 590, false), lost(A, 595), tick(B, 700, true)];
    expect(verify(HISTORY, lines)).toMatchObject({ writes: 3, owners: 2, lost: 1, leastMarginMs: 50 });
  });

  test('reports a write by a client that did not own the lock', () => {
    expect(faults([put(A, 2), put(B, 3), count(4, 1, 3)])).toContain('was written by 3, and 2 owned it');
    expect(faults([...HISTORY.slice(0, 6), count(8, 4, 2)])).toMatch(/was written by 2 after 3[^]*was written by 2, and 3 owned it/);
  });

  test('reports a count that was lost or repeated', () => {
    expect(faults([put(A, 2), count(3, 1, 2), count(4, 1, 2)])).toContain('went from 1 to 1');
    expect(faults([put(A, 2), count(3, 1, 2), count(4, 3, 2)])).toContain('went from 1 to 3');
  });

  test('reports an owner that still wrote after its key was deleted', () => {
    expect(faults(HISTORY, [tick(A, 601, true)])).toContain('thought to be owned 1.0 ms after it was gone');
  });

  test('reports an unexpected end of an attempt, and a client that was closed too early', () => {
    const failed = (reason: string): Line => ({ is: 'failed', reason });
    const ready: Line = { is: 'ready' };
    const closing: Line = { is: 'closing' };
    expect(faults(HISTORY, [ready, failed('LockLost'), failed('AmbiguousWrite'), closing, failed('ClientClosed')])).toBe('');
    expect(faults(HISTORY, [ready, failed('Compacted')])).toContain('an attempt ended in Compacted');
    const early = 'ended in ClientClosed before the client was closed';
    expect(faults(HISTORY, [ready, failed('ClientClosed'), closing])).toContain(early);
    expect(faults(HISTORY, [ready, closing, ready, failed('ClientClosed')])).toContain(early);
  });

  test('allows one tick to a stopped process, and no second one', () => {
    expect(faults(HISTORY, [tick(A, 900, false), lost(A, 901)])).toBe('');
    expect(faults(HISTORY, [tick(A, 900, false), tick(A, 910, false)])).toContain('its owner had not been told 310.0 ms after it was gone');
  });
});
