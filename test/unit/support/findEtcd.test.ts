import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { suitesFor } from '../../support/etcd/debian.js';
import { findEtcd } from '../../support/etcd/index.js';
import { askedVersion, flagsFor, imageTag, parseVersion, versionMatches } from '../../support/etcd/versions.js';

describe('the requested version of etcd', () => {
  test('matches by whole parts', () => {
    expect(versionMatches('3.4', '3.4.23')).toBe(true);
    expect(versionMatches('3.4.23', '3.4.23')).toBe(true);
    expect(versionMatches('3.4.2', '3.4.23')).toBe(false);
    expect(versionMatches('3.3', '3.30.1')).toBe(false);
    expect(versionMatches(undefined, '3.5.16')).toBe(true);
  });

  test('is parsed from the output of etcd', () => {
    expect(parseVersion('etcd Version: 3.5.16\nGit SHA: GitNotFound\n')).toBe('3.5.16');
    expect(parseVersion('flag provided but not defined')).toBeUndefined();
  });

  test('may begin with v, and must be a version', () => {
    expect(askedVersion('v3.4')).toBe('3.4');
    expect(() => askedVersion('latest')).toThrow('write it as 3.4 or 3.4.23');
  });

  test('determines the spelling of flags', () => {
    const args = ['--experimental-watch-progress-notify-interval=1s', '--max-txn-ops', '7'];
    expect([flagsFor('3.4.23', args), flagsFor('3.5.30', args)]).toEqual([args, args]);
    expect(flagsFor('3.3.25', ['--bcrypt-cost=4', '--max-txn-ops=7'])).toEqual(['--max-txn-ops=7']);
    const renamed = ['--watch-progress-notify-interval=1s', '--max-txn-ops', '7'];
    expect([flagsFor('3.6.14', args), flagsFor('3.7.1', args), flagsFor('3.10.0', args)]).toEqual([renamed, renamed, renamed]);
  });

  test('selects the image and the suite', () => {
    expect([imageTag('3.4'), imageTag('3.5.9'), imageTag(undefined)]).toEqual(['v3.4.37', 'v3.5.9', 'v3.5.21']);
    expect([imageTag('3.6'), imageTag('3.7'), imageTag('3.8')]).toEqual(['v3.6.14', 'v3.7.1', 'v3.8.0']);
    expect(suitesFor('3.5', 'debian', 'bookworm')).toEqual(['sid', 'trixie']);
    expect([suitesFor('3.5.16', 'debian', 'bookworm'), suitesFor('3.5.30', 'debian', 'bookworm')]).toEqual([['trixie'], ['sid']]);
    expect([suitesFor('3.5.33', 'debian', 'bookworm'), suitesFor('3.6', 'debian', 'bookworm')]).toEqual([['sid'], ['sid']]);
    expect(suitesFor('3.3', 'debian', 'bookworm')).toEqual(['bullseye']);
    expect(suitesFor(undefined, 'debian', 'bookworm')).toEqual(['trixie', 'bookworm']);
    expect(suitesFor('3.4', 'ubuntu', 'noble')).toEqual(['noble']);
  });
});

describe('without an available etcd', () => {
  const before = { ...process.env };
  beforeEach(() => {
    // This PATH has no programs, and the tag is of another version, so no container engine is used.
    Object.assign(process.env, { PATH: '', ETCD_IMAGE_TAG: 'v3.4.0' });
    delete process.env['ETCD_BIN'];
    delete process.env['ETCD_ENDPOINTS'];
  });
  afterEach(() => {
    for (const key of ['ETCD_IMAGE_TAG', 'ETCD_BIN', 'ETCD_ENDPOINTS', 'PATH']) {
      const value = before[key];
      if (value === undefined) delete process.env[key];
      else process.env[key] = value;
    }
  });

  test('one error lists the four ways, and why each failed', async () => {
    const message = await findEtcd({ version: '3.5' }).then(
      () => 'found',
      (error: Error) => error.message,
    );
    expect(message).toContain('No etcd 3.5 to test with');
    for (const way of ['1. a running server: ETCD_ENDPOINTS', '2. an installed one', '3. Docker', '4. Debian'])
      expect(message).toContain(way);
    for (const reason of [
      'ETCD_ENDPOINTS is not set',
      'no etcd on PATH',
      'ETCD_IMAGE_TAG is v3.4.0, not 3.5',
      'this machine has no apt-get',
    ]) {
      expect(message).toContain(reason);
    }
  });

  test('an invalid setting is an error', async () => {
    process.env['ETCD_BIN'] = '/nowhere/etcd';
    await expect(findEtcd()).rejects.toThrow('ETCD_BIN=/nowhere/etcd');
    process.env['ETCD_ENDPOINTS'] = 'http://127.0.0.1:1';
    await expect(findEtcd()).rejects.toThrow('ETCD_ENDPOINTS=http://127.0.0.1:1: no etcd answers there');
  });
});
