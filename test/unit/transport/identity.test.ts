import { describe, expect, test } from '@jest/globals';
import { hostname } from 'node:os';
import { identity } from '../../../src/node/nodePlatform.js';

describe('the identity of a caller', () => {
  test('contains the host, then the process, then the thread', () => {
    const { host, process: whole, thread } = identity();
    expect(host).toBe(hostname());
    expect(whole.startsWith(`${host}/`)).toBe(true);
    expect(whole.endsWith(`/${process.pid}`)).toBe(true);
    expect(thread).toBe(`${whole}/0`);
  });

  test('stays the same', () => {
    expect(identity()).toEqual(identity());
  });
});
