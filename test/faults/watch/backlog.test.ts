import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Client } from '../../../src/index.js';
import { PATIENT } from '../../support/patient.js';
import { History, Recorder, violations } from '../../support/watchGuarantees.js';
import { TRANSPORTS, forLongMessages, type TransportOption } from './support/transports.js';
import { fill } from './support/fill.js';
import { setScene, type Scene } from './support/scene.js';
import { waitFor } from '../../support/waitFor.js';

const REVISIONS = 3_001;

describe.each(TRANSPORTS)('over %s (TLS: %s)', (transport, tls) => {
  let scene: Scene;
  let history: History;
  let client: Client;
  let chosen: TransportOption;

  beforeAll(async () => {
    scene = await setScene({ tls });
    history = new History(await fill(scene.direct, { prefix: 'old/', revisions: REVISIONS }));
    chosen = forLongMessages(transport, scene.server);
  });
  afterEach(() => client.close());
  afterAll(() => scene.close());

  const replay = (): Recorder => {
    const options = { startRevision: history.revisions[0] ?? 1 };
    const watch = new Recorder('replay', { prefix: 'old/' }, options, client.watchBatches({ prefix: 'old/' }, options));
    watch.through = history.last;
    return watch;
  };
  const whole = (watch: Recorder): Promise<true> =>
    waitFor('all has been replayed', () => watch.events >= REVISIONS || watch.end !== undefined);
  /** Returns the events that were delivered before a stream was lost. */
  const deliveredAtLosses = (watch: () => Recorder): number[] => {
    const seen: number[] = [];
    client.connection$.subscribe(({ status }) => status === 'reconnecting' && seen.push(watch().events));
    return seen;
  };

  test('a replay of 3 001 revisions that is cut after 1 000 resumes at its cursor', async () => {
    const makeClient = (): Client => scene.client({ transport: chosen, heartbeatMs: 60_000, responseTimeoutMs: 5_000 }, PATIENT);
    client = makeClient();
    const before = scene.proxy.down.bytes;
    await whole(replay());
    const bytes = scene.proxy.down.bytes - before;
    // The cut must hit the next stream, and not the last bytes of this one.
    await client.close();
    await waitFor('all its connections are closed', () => scene.proxy.open === 0);
    client = makeClient();

    // etcd sends a thousand revisions at a time: the first thousand have arrived, and a part of the next.
    scene.proxy.down.cutAfter(Math.round(bytes * 0.4));
    const watch = replay();
    const losses = deliveredAtLosses(() => watch);
    await whole(watch);
    expect(violations(history, watch)).toEqual([]);
    if (chosen !== 'auto') expect(losses).toEqual([1_000]);
  });

  test('a backlog on an unresponsive connection arrives over another one', async () => {
    client = scene.client({ transport: chosen });
    const watch: Recorder = replay();
    const losses = deliveredAtLosses(() => watch);
    scene.proxy.down.stall();
    await waitFor('it has been noticed', () => losses.length > 0);
    scene.proxy.down.resume();
    await whole(watch);
    expect(violations(history, watch)).toEqual([]);
  });

  test('a cut right after the creation of a watch, before its first event, loses no event', async () => {
    client = scene.client({ transport: chosen });
    const watch = new Recorder('new', { prefix: 'new/' }, {}, client.watchBatches({ prefix: 'new/' }));
    await waitFor('it is there', () => watch.begun);
    await scene.proxy.refuse();
    const written = new History(await fill(scene.direct, { prefix: 'new/', revisions: 20 }));
    await scene.proxy.accept();
    await waitFor('all has come', () => watch.events >= 20);
    watch.through = written.last;
    expect(violations(written, watch)).toEqual([]);
  });
});
