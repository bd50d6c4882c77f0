import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exhaustMap, filter, firstValueFrom, interval, map, timestamp, zip, type Observable } from 'rxjs';
import type { Client } from '../../../src/index.js';
import { TRANSPORTS, forLongMessages, has } from './support/transports.js';
import { collect } from './support/collect.js';
import { fill } from './support/fill.js';
import { setScene, type Scene } from './support/scene.js';
import { cpuWatch } from '../../bench/cpu.js';
import { PATIENT } from '../../support/patient.js';
import { waitFor } from '../../support/waitFor.js';

/**
 * The limit of the CPU time that this process takes for all deletes, which is about ten times the measured time. A busy
 * machine may stall the server and this process for long, so the elapsed time only has the limit of a hung run.
 */
const CPU_AT_MOST_MS = 6_000;
/** The highest number of operations in a txn. */
const KEYS_PER_TXN = 125;

describe.each(TRANSPORTS)('one call that deletes many keys, over %s (TLS: %s),', (transport, tls) => {
  let scene: Scene;
  let client: Client;
  /** etcd before 3.4.17 cannot send a message over 4 MiB. */
  let keys: number;

  beforeAll(async () => {
    scene = await setScene({ tls });
    keys = has(scene.server, '3.4.17') ? 100_000 : 20_000;
    await fill(scene.direct, { prefix: 'gone/', revisions: keys / KEYS_PER_TXN, keys: KEYS_PER_TXN });
    // The client connects to the server directly, as a proxy would work in this process, too. The server does not respond
    // to a heartbeat while it encodes the deletes, which takes a second on a quiet machine, and over 10 on a busy one.
    const streams = { transport: forLongMessages(transport, scene.server), heartbeatMs: 1_000, responseTimeoutMs: 60_000 };
    client = scene.client(streams, { ...PATIENT, endpoints: scene.server.endpoint });
  });
  afterAll(() => scene.close());

  test('reaches a watch of these keys soon, and does not interrupt the other watches of the client', async () => {
    const gone = collect(client.watch({ prefix: 'gone/' }, { noPut: true }));
    const heard = collect(client.watch({ prefix: 'beside/' }).pipe(timestamp(performance)));
    await firstValueFrom(zip(client.watchBatches({ prefix: 'gone/' }, { noPut: true }), client.watchBatches({ prefix: 'beside/' })));
    // The time that the server takes for the delete delays writes; the watch has to report what was written in time.
    const write = (index: number): Observable<number> => scene.direct.kv.put(`beside/${index}`, 'x').pipe(map(() => performance.now()));
    const written = collect(interval(50).pipe(exhaustMap(write)));
    await waitFor('the other watch tells what is written', () => heard.values.length > 3);

    const lost = collect(client.connection$.pipe(filter(({ status }) => status === 'reconnecting')));
    const calledAt = performance.now();
    const cpu = cpuWatch();
    await firstValueFrom(scene.direct.kv.delete({ prefix: 'gone/' }, { timeoutMs: 60_000 }));
    await waitFor('all deletes have come', () => gone.values.length >= keys || gone.error !== undefined, 60_000);
    const tookMs = performance.now() - calledAt;
    const cpuMs = cpu() / 1_000;
    const before = heard.values.length;
    await waitFor('the other watch goes on', () => heard.values.length > before + 3);
    written.stop();

    expect([gone.error, heard.error, written.error]).toEqual([undefined, undefined, undefined]);
    // An old server closes a WebSocket on a long message; the client then continues over another transport.
    if (forLongMessages(transport, scene.server) === transport) expect(lost.values).toEqual([]);
    expect(new Set(gone.values.map(({ kv }) => kv.key)).size).toBe(keys);
    expect(new Set(gone.values.map(({ revision }) => revision)).size).toBe(1);
    expect(cpuMs).toBeLessThan(CPU_AT_MOST_MS);
    // The events of the other watch wait behind the deletes at most.
    const silentMs = heard.values.map(({ timestamp: at }, index) => at - (written.values[index] ?? at));
    expect(Math.max(...silentMs)).toBeLessThan(tookMs + 1_000);
  });
});
