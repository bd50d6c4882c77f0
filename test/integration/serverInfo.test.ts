import { describe, expect, test } from '@jest/globals';
import { withEtcd } from './support/fixture.js';
import { failureWith, only } from './support/outcomes.js';

const fixture = withEtcd({ own: true });

describe('requests to plain HTTP paths', () => {
  test('version returns the version of the server and of the cluster', async () => {
    const version = await only(fixture.etcd.version());
    expect(version.etcdserver).toBe(fixture.server.version);
    expect(version.etcdcluster).toMatch(/^3\.\d+\.0$/);
  });

  test('health returns healthy, or the reason for being unhealthy', async () => {
    const { health, maintenance } = fixture.etcd;
    expect((await only(health())).health).toBe(true);
    await only(maintenance.alarmActivate({ alarm: 'NOSPACE' }));
    const sick = await only(health());
    expect(sick.health).toBe(false);
    expect(sick.reason).toEqual(fixture.has('3.5') ? expect.stringContaining('ALARM NOSPACE') : undefined);
    await only(maintenance.alarmDeactivate({ alarm: 'NOSPACE' }));
    expect((await only(health())).health).toBe(true);
  });

  test('livez and readyz return which checks a server passes, and why one fails (3.5)', async () => {
    const { livez, readyz, maintenance } = fixture.etcd;
    if (!fixture.has('3.5.11')) {
      for (const call of [livez(), readyz()])
        expect(await failureWith('UnsupportedServerVersion', call)).toMatchObject({ required: '3.5.11', found: fixture.server.version });
      return;
    }
    expect(await only(livez())).toEqual({ ok: true, checks: [{ name: 'serializable_read', ok: true }] });
    const ready = await only(readyz());
    expect(ready.ok).toBe(true);
    expect(ready.checks.every(({ ok }) => ok)).toBe(true);
    const names = ['data_corruption', 'linearizable_read', 'serializable_read'];
    expect(ready.checks.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
    await only(maintenance.alarmActivate({ alarm: 'CORRUPT' }));
    const sick = await only(readyz());
    expect(sick.ok).toBe(false);
    expect(sick.checks.filter(({ ok }) => !ok)).toEqual([{ name: 'data_corruption', ok: false, reason: 'alarm activated: CORRUPT' }]);
    expect((await only(livez())).ok).toBe(true);
    await only(maintenance.alarmDeactivate({ alarm: 'CORRUPT' }));
  });

  test('metrics are returned as Prometheus text, and parsed', async () => {
    const { kv, metrics, metricsText } = fixture.etcd;
    const puts = async (): Promise<number> => {
      const family = (await only(metrics())).find(({ name }) => name === 'etcd_debugging_mvcc_put_total' || name === 'etcd_mvcc_put_total');
      return family?.samples[0]?.value ?? NaN;
    };
    const before = await puts();
    await only(kv.put('metrics/a', ''));
    expect(await puts()).toBe(before + 1);

    const parsed = await only(metrics());
    expect(parsed.find(({ name }) => name === 'etcd_server_has_leader')).toMatchObject({
      type: 'gauge',
      samples: [{ labels: {}, value: 1 }],
    });
    const histogram = parsed.find(({ name }) => name === 'etcd_disk_wal_fsync_duration_seconds');
    expect(histogram?.type).toBe('histogram');
    expect(histogram?.samples.some(({ name, labels }) => name.endsWith('_bucket') && labels['le'] === '+Inf')).toBe(true);
    const served = parsed.find(({ name }) => name === 'grpc_server_handled_total');
    expect(served?.samples.some(({ labels }) => labels['grpc_method'] === 'Put' && labels['grpc_code'] === 'OK')).toBe(true);

    expect(await only(metricsText())).toContain('# TYPE etcd_server_has_leader gauge\netcd_server_has_leader 1\n');
  });

  test("the option endpoint selects one of the client's endpoints", async () => {
    const both = fixture.client({ endpoints: ['http://127.0.0.1:1', fixture.server.endpoint] });
    for (let round = 0; round < 3; round++)
      expect((await only(both.version({ endpoint: fixture.server.endpoint }))).etcdserver).toBe(fixture.server.version);
    await failureWith('InvalidArgument', both.version({ endpoint: 'http://127.0.0.1:2' }));
    expect(await failureWith('Unreachable', both.version({ endpoint: 'http://127.0.0.1:1' }))).toMatchObject({
      endpoint: 'http://127.0.0.1:1',
    });
  });
});
