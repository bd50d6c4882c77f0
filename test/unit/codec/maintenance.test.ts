import { describe, expect, test } from '@jest/globals';
import { HashKvResponse, SnapshotResponse, StatusResponse } from '../../../src/codec/maintenance.js';

/** Responses of 3.6 and 3.7; Debian has no such server to test with. */
const header = { cluster_id: '1', member_id: '2', revision: '7', raft_term: '3' };

describe('new fields of etcd 3.6 in the responses of Maintenance', () => {
  test('are the storage version, the quota and a downgrade that is under way in a status', () => {
    const wire = { header, version: '3.6.14', dbSize: '20480', storageVersion: '3.6.0', dbSizeQuota: '2147483648' };
    expect(StatusResponse.read(wire)).toMatchObject({ storageVersion: '3.6.0', dbSizeQuota: 2_147_483_648, downgradeInfo: undefined });
    expect(StatusResponse.read({ ...wire, downgradeInfo: {} })).toMatchObject({ downgradeInfo: { enabled: false, targetVersion: '' } });
    expect(StatusResponse.read({ ...wire, downgradeInfo: { enabled: true, targetVersion: '3.5.0' } })).toMatchObject({
      downgradeInfo: { enabled: true, targetVersion: '3.5.0' },
    });
  });

  test('are the revision of a hash and the version of a snapshot', () => {
    expect(HashKvResponse.read({ header, hash: 5, compact_revision: '2', hash_revision: '7' })).toMatchObject({ hashRevision: 7 });
    expect(SnapshotResponse.read({ header, remaining_bytes: '3', blob: 'AA==', version: '3.6.0' })).toMatchObject({ version: '3.6.0' });
  });
});
