import { describe, expect, test } from '@jest/globals';
import { WriteBatcher } from '../../../../src/transport/http/transport.js';

const endOfTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('messages for a stream', () => {
  test('are sent together at the end of the turn, one a line, in order', async () => {
    const written: string[] = [];
    const outgoing = new WriteBatcher(
      (text) => written.push(text),
      (run) => process.nextTick(run),
    );
    outgoing.send('{"ID":"1"}');
    outgoing.send('{"ID":"2"}');
    expect(written).toEqual([]);
    await endOfTurn();
    outgoing.send('{"ID":"3"}');
    await endOfTurn();
    expect(written).toEqual(['{"ID":"1"}\n{"ID":"2"}', '{"ID":"3"}']);
  });

  test('are sent at once if the stream is about to be closed, and not again at the end of the turn', async () => {
    const written: string[] = [];
    const outgoing = new WriteBatcher(
      (text) => written.push(text),
      (run) => process.nextTick(run),
    );
    outgoing.send('{"ID":"1"}');
    outgoing.flush();
    outgoing.flush();
    expect(written).toEqual(['{"ID":"1"}']);
    await endOfTurn();
    expect(written).toHaveLength(1);
  });

  test('are sent in several short parts if they are many', async () => {
    const written: string[] = [];
    const outgoing = new WriteBatcher(
      (text) => written.push(text),
      (run) => process.nextTick(run),
    );
    const messages = Array.from({ length: 10_000 }, (_, index) => `{"ID":"${index}"}`);
    messages.forEach(outgoing.send);
    await endOfTurn();
    expect(written.flatMap((text) => text.split('\n'))).toEqual(messages);
    expect(written.length).toBeGreaterThan(1);
    for (const text of written) expect(text.length).toBeLessThan(40_000);
  });
});
