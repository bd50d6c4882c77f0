import { describe, expect, test } from '@jest/globals';
import { withEtcd } from './support/fixture.js';
import { failureOf, failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

/** A separate server: one that is killed during a downgrade does not start again. */
const fixture = withEtcd({ own: true });

describe('maintenance.downgrade', () => {
  test('validates, enables and cancels a downgrade (3.5)', async () => {
    const { maintenance } = fixture.etcd;
    if (!fixture.has('3.5')) {
      for (const action of ['VALIDATE', 'ENABLE', 'CANCEL'] as const) {
        expect(await failureWith('UnsupportedServerVersion', maintenance.downgrade(action, '3.3.0'))).toMatchObject({
          required: '3.5',
          found: fixture.server.version,
          rpc: 'Maintenance.Downgrade',
        });
      }
      return;
    }
    const cluster = (await only(fixture.etcd.version())).etcdcluster;
    const below = `3.${Number(cluster.split('.')[1]) - 1}.0`;
    // 3.6 responds without the patch version.
    const answered = fixture.has('3.6') ? cluster.replace(/\.0$/, '') : cluster;
    expect((await only(maintenance.downgrade('VALIDATE', below))).version).toBe(answered);
    await carriedOut('ENABLE', below);
    await waitForValue(
      async () => (await failureOf(maintenance.downgrade('VALIDATE', below))).reason,
      (reason) => reason === 'DowngradeInProcess',
    );
    await carriedOut('CANCEL', '');
    await waitForValue(
      async () => (await only(maintenance.downgrade('VALIDATE', below))).version,
      (version) => version === answered,
    );
  });
});

/** 3.5 begins and cancels a downgrade, but never responds: the request times out. From 3.6 on it responds. */
async function carriedOut(action: 'ENABLE' | 'CANCEL', version: string): Promise<void> {
  const { maintenance } = fixture.etcd;
  if (fixture.has('3.6')) await only(maintenance.downgrade(action, version));
  else
    expect((await failureWith('AmbiguousWrite', maintenance.downgrade(action, version, { timeoutMs: 1_000 }))).cause.reason).toBe(
      'DeadlineExceeded',
    );
}
