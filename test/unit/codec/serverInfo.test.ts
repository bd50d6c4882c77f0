import { describe, expect, it } from '@jest/globals';
import { ServerHealth, ServerVersion } from '../../../src/codec/serverInfo.js';
import { failuresOf } from '../../../src/model/validator.js';

describe('the version of a server', () => {
  it('is decoded, with the storage version if there is one', () => {
    const old = { etcdserver: '3.5.30', etcdcluster: '3.5.0' };
    expect(ServerVersion.decode(old)).toEqual({ _tag: 'Right', right: old });
    expect(ServerVersion.decode({ ...old, storage: '3.6.0' })).toEqual({ _tag: 'Right', right: { ...old, storage: '3.6.0' } });
  });

  it('is rejected if the response is not from etcd', () => {
    for (const answer of [{}, null, '<html>', { etcdserver: 3 }]) expect(ServerVersion.decode(answer)._tag).toBe('Left');
  });
});

describe('the health of a server', () => {
  it('is a text or a boolean on the wire, and decoded to a boolean', () => {
    expect(ServerHealth.decode({ health: 'true' })).toEqual({ _tag: 'Right', right: { health: true } });
    expect(ServerHealth.decode({ health: true, reason: '' })).toEqual({ _tag: 'Right', right: { health: true, reason: '' } });
    expect(ServerHealth.decode({ health: 'false', reason: 'ALARM NOSPACE' })).toEqual({
      _tag: 'Right',
      right: { health: false, reason: 'ALARM NOSPACE' },
    });
    expect(ServerHealth.decode({ health: false })).toEqual({ _tag: 'Right', right: { health: false } });
  });

  it('is rejected if it is neither a text nor a boolean', () => {
    const decoded = ServerHealth.decode({ health: 'perhaps' });
    expect(decoded._tag === 'Left' && failuresOf(decoded.left)).toEqual(['health: expected true or false, received string']);
    expect(ServerHealth.decode({})._tag).toBe('Left');
  });
});
