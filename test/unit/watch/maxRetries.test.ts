import { afterEach, describe, expect, test } from '@jest/globals';
import { firstValueFrom, take } from 'rxjs';
import { type Client, createClient, hasReason } from '../../../src/index.js';
import { createTestEtcd } from '../../../src/testing/index.js';
import { failureWith } from '../../integration/support/outcomes.js';

const opened: { close(): Promise<unknown> }[] = [];
afterEach(async () => void (await Promise.all(opened.splice(0).map((each) => each.close()))));

const streams = { initialBackoffMs: 1, maxBackoffMs: 2, maxRetries: 2 };

/** An address without a listener. */
function unreachable(): Client {
  const etcd = createClient({ endpoints: 'http://127.0.0.1:1', streams, retry: { maxAttempts: 1 } });
  opened.push(etcd);
  return etcd;
}

describe('streams.maxRetries', () => {
  test('fails a watch without a server, with the cause, and a new watch has all attempts again', async () => {
    const etcd = unreachable();
    for (let time = 0; time < 2; time++) {
      const error = await failureWith('RetriesExhausted', etcd.watch('a'));
      expect(error).toMatchObject({ code: 'Aborted', cause: { reason: 'Unreachable' } });
      expect(error.message).toContain('3 attempts in a row, more than streams.maxRetries');
    }
  });

  test('ends all watches, live ranges and the wait for a lock together', async () => {
    const etcd = unreachable();
    const ends = [etcd.watch('a'), etcd.live({ prefix: 'b/' }), etcd.watchBatches('c')].map((each) =>
      failureWith('RetriesExhausted', each),
    );
    expect(await Promise.all(ends)).toHaveLength(3);
    const state = await firstValueFrom(etcd.liveState({ prefix: 'd/' }).pipe(take(20)), { defaultValue: undefined });
    expect(state?.status).toBe('loading');
  });

  test('counts consecutive failures: a response of the server resets the count', async () => {
    const { server } = createTestEtcd();
    opened.push(server);
    const etcd = server.createClient({ streams: { ...streams, maxRetries: 1 } });
    const seen: string[] = [];
    const watching = etcd
      .watch('a')
      .subscribe({ next: ({ kv }) => seen.push(kv.value), error: (error) => seen.push(String(hasReason(error, 'RetriesExhausted'))) });
    await firstValueFrom(etcd.watchBatches('a'));
    for (const value of ['1', '2', '3']) {
      const next = firstValueFrom(etcd.watch('a'));
      server.disconnect();
      server.connect();
      server.put('a', value);
      expect((await next).kv.value).toBe(value);
    }
    expect(seen).toEqual(['1', '2', '3']);
    watching.unsubscribe();
  });
});
