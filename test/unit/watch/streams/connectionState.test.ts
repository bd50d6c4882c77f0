import { expect, test } from '@jest/globals';
import { OrderedBehaviorSubject } from '../../../../src/watch/streams/connectionState.js';

const at = (step: number): { readonly step: number } => ({ step });

test('a change caused by a subscriber during another one is emitted to all after it', () => {
  const state = new OrderedBehaviorSubject(at(0));
  const heard: Record<'first' | 'second', number[]> = { first: [], second: [] };
  state.changes.subscribe(({ step }) => {
    heard.first.push(step);
    if (step === 0 || step > 2) return;
    state.next(at(step + 1));
    expect(state.value).toEqual(at(step + 1));
  });
  state.changes.subscribe(({ step }) => heard.second.push(step));
  state.next(at(1));
  state.next(at(4));
  expect(heard).toEqual({ first: [0, 1, 2, 3, 4], second: [0, 1, 2, 3, 4] });
  expect(state.value).toEqual(at(4));
});
