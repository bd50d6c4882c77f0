import { describe, expect, test } from '@jest/globals';
import { asyncScheduler, type Observable, switchMap, timer } from 'rxjs';
import { type EtcdError, leaseId, type LeaseId, type WatchEvent } from '../../../src/index.js';
import { failure } from '../transport/support.js';
import { createTestEtcd } from '../../../src/testing/index.js';
import { story } from './story.js';

const later = <T>(ms: number, what: () => Observable<T>): Observable<T> => timer(ms).pipe(switchMap(what));
const shown = ({ type, kv }: WatchEvent): string => `${type} ${kv.key}=${kv.value}`;

describe('the faults of an etcd in memory', () => {
  test('drop the response of a write, which is carried out with an unknown outcome', () => {
    const lines = story(({ etcd, server, tell, at }) => {
      server.dropResponse('KV.Put');
      tell('put', etcd.kv.put('a', '1'));
      at(1, () => expect(server.get('a')?.value).toBe('1'));
    });
    expect(lines).toEqual(['put failed: AmbiguousWrite']);
  });

  test('drop the response of a write that the server rejects, too', () => {
    const lines = story(({ etcd, server, tell }) => {
      server.dropResponse('KV.Put');
      tell('put', etcd.kv.put('a', '1', { lease: leaseId(7) }));
    });
    expect(lines).toEqual(['put failed: AmbiguousWrite']);
  });

  test('fail the next matching call with the reason of the server, and no other', () => {
    const lines = story(({ etcd, server, tell, at }) => {
      server.fail(({ rpc, request }) => rpc === 'KV.Put' && (request as { key?: unknown }).key === 'b', 'NoSpace');
      tell('a', etcd.kv.put('a', '1'));
      tell('b', etcd.kv.put('b', '1'));
      at(1, () => expect(server.get('b')).toBeUndefined());
      tell(
        'b again',
        later(2, () => etcd.kv.put('b', '1')),
      );
    });
    expect(lines).toEqual(['a: ok', 'a completed', 'b failed: NoSpace', 'b again: ok', 'b again completed']);
  });

  test('refuse or break the connection of a call, and a read is retried', () => {
    for (const reason of ['Unreachable', 'ConnectionLost'] as const) {
      const lines = story(({ etcd, server, tell }) => {
        server.fail('KV.Range', reason);
        tell('get', etcd.kv.get('a'));
      });
      expect(lines).toEqual(['get: ok', 'get completed']);
    }
  });

  test('disconnect a watch, which misses nothing', () => {
    const lines = story(({ etcd, server, tell, at }) => {
      tell('watch', etcd.watch({ prefix: 'a' }), shown);
      at(100, () => server.disconnect());
      at(200, () => {
        server.put('a', '1');
        server.delete('a');
      });
      tell(
        'put',
        later(300, () => etcd.kv.put('b', '1')),
      );
      at(60_000, () => server.connect());
      at(120_000, () => server.close());
    });
    expect(lines).toEqual(['put failed: Unreachable', 'watch: put a=1', 'watch: delete a=', 'watch completed']);
  });

  test('refuse new connections while the open streams continue', () => {
    const lines = story(({ etcd, server, tell, at }) => {
      tell('watch', etcd.watch('a'), shown);
      at(100, () => server.refuse());
      at(200, () => server.put('a', '1'));
      tell(
        'put',
        later(300, () => etcd.kv.put('a', '2')),
      );
      at(5_000, () => server.connect());
      at(9_000, () => server.close());
    });
    expect(lines).toEqual(['watch: put a=1', 'put failed: Unreachable', 'watch completed']);
  });

  test('hold back responses, and release them later', () => {
    const lines = story(({ etcd, server, tell, at }) => {
      tell('warm', etcd.kv.get('a'));
      at(1, () => server.stall('responses'));
      tell(
        'put',
        later(2, () => etcd.kv.put('a', '1')),
      );
      at(900, () => expect(server.get('a')?.value).toBe('1'));
      at(1_000, () => server.resume());
    });
    expect(lines).toEqual(['warm: ok', 'warm completed', 'put: ok', 'put completed']);
  });

  test('hold back requests, so that a write is not carried out', () => {
    const lines = story(({ etcd, server, tell, at }) => {
      tell('warm', etcd.kv.get('a'));
      at(1, () => server.stall('requests'));
      tell(
        'put',
        later(2, () => etcd.kv.put('a', '1', { timeoutMs: 1_000 })),
      );
      at(2_000, () => expect(server.get('a')).toBeUndefined());
    });
    expect(lines).toEqual(['warm: ok', 'warm completed', 'put failed: AmbiguousWrite']);
  });

  test('expire a lease before its TTL', () => {
    let lease: LeaseId | undefined;
    const lines = story(({ etcd, server, tell, at }) => {
      tell('lease', etcd.lease({ ttl: 10 }), (event) => {
        lease = event.id;
        return event.type;
      });
      at(4_000, () => {
        if (lease !== undefined) server.expireLease(lease);
      });
    });
    expect(lines).toEqual(['lease: granted', 'lease: refreshed', 'lease failed: LeaseLost']);
  });

  test('expire a lease after its TTL, with its keys', () => {
    const lines = story(({ etcd, server, tell, at }) => {
      tell('watch', etcd.watch('a'), (event) => `${shown(event)} at ${asyncScheduler.now()}`);
      tell('put', etcd.lease.grant(5).pipe(switchMap(({ id }) => etcd.kv.put('a', '1', { lease: id }))));
      at(20_000, () => server.close());
    });
    expect(lines).toEqual(['watch: put a=1 at 0', 'put: ok', 'put completed', 'watch: delete a= at 5000', 'watch completed']);
  });

  test('expire a token, so that a client authenticates again', () => {
    const lines = story(({ server, tell, at }) => {
      const open = server.createClient();
      tell('root', open.auth.userAdd('root', { password: 'secret' }));
      tell(
        'role',
        later(1, () => open.auth.userGrantRole('root', 'root')),
      );
      tell(
        'enable',
        later(2, () => open.auth.enable()),
      );
      const etcd = server.createClient({ auth: { username: 'root', password: 'secret' } });
      tell(
        'put',
        later(3, () => etcd.kv.put('a', '1')),
      );
      tell(
        'without a token',
        later(3, () => open.kv.put('a', '2')),
      );
      at(4, () => server.expireTokens());
      tell(
        'again',
        later(5, () => etcd.kv.put('a', '3')),
      );
      at(6, () => expect(server.get('a')?.value).toBe('3'));
      at(6, () => expect(server.calls.filter(({ rpc }) => rpc === 'Auth.Authenticate')).toHaveLength(2));
    });
    expect(lines.filter((line) => line.includes('failed'))).toEqual(['without a token failed: UserEmpty']);
  });

  test('discard the history that a watch needs, which live lists again', () => {
    const lines = story(({ etcd, server, tell, at }) => {
      tell('watch', etcd.watch('a'), shown);
      tell('live', etcd.live('a'), ({ type, state }) => `${type} ${state.get('a')?.value}`);
      at(100, () => server.disconnect());
      at(200, () => {
        server.put('a', '1');
        server.put('a', '2');
        server.compact();
      });
      at(300, () => server.connect());
      at(60_000, () => server.close());
    });
    expect(lines).toEqual(['live: snapshot undefined', 'watch failed: Compacted', 'live: resync 2', 'live completed']);
  });

  test('begin with an empty store after a restart that wipes it', () => {
    const lines = story(({ etcd, server, tell, at }) => {
      server.put('a', '1');
      tell('live', etcd.live('a'), ({ type, state }) => `${type} ${state.get('a')?.value}`);
      at(100, () => server.restart({ wipe: true }));
      at(60_000, () => server.close());
    });
    expect(lines).toEqual(['live: snapshot 1', 'live: resync undefined', 'live completed']);
  });

  test('never show the old store as live after a restart that wipes it', () => {
    const lines = story(({ etcd, server, tell, at }) => {
      server.put('a', '1');
      tell('view', etcd.liveState('a'), ({ status, value, error }) => `${status} ${value?.get('a')?.value} ${error?.reason}`);
      at(100, () => server.restart({ wipe: true }));
      at(60_000, () => server.close());
    });
    expect(lines).toEqual([
      'view: loading undefined undefined',
      'view: live 1 undefined',
      'view: stale 1 ConnectionLost',
      'view: stale 1 ClusterIDMismatch',
      'view: live undefined undefined',
      'view completed',
    ]);
  });

  test('isolate a member, on which requests that need a leader fail, and watches stall', () => {
    const lines = story(
      ({ etcd, server, tell, at }) => {
        const [first = ''] = server.endpoints;
        const alone = server.createClient({ endpoints: [first], streams: { transport: 'websocket' } });
        tell('watch', alone.watch('a'), shown);
        at(10, () => server.isolate(first));
        at(20, () => server.put('a', '1'));
        tell(
          'put there',
          later(30, () => alone.kv.put('b', '1')),
        );
        tell(
          'serializable read there',
          later(30, () => alone.kv.get('a', { serializable: true })),
          (kv) => String(kv?.value),
        );
        tell(
          'put elsewhere',
          later(30, () => etcd.kv.put('b', '2', { endpoint: server.endpoints[1] ?? '' })),
        );
        at(20_000, () => server.heal());
        at(60_000, () => server.close());
      },
      { members: 3 },
    );
    expect(lines).toEqual([
      'serializable read there: 1',
      'serializable read there completed',
      'put elsewhere: ok',
      'put elsewhere completed',
      'put there failed: AmbiguousWrite',
      'watch: put a=1',
      'watch completed',
    ]);
  });

  test('delay each message', () => {
    const lines = story(({ etcd, tell }) => tell('put', etcd.kv.put('a', '1'), () => `at ${asyncScheduler.now()}`), { latencyMs: 10 });
    expect(lines).toEqual(['put: at 40', 'put completed']);
  });

  test('reject a match that no call can have', () => {
    const { server } = createTestEtcd();
    for (const misspelt of ['kv.put', 'Put', 'Lease.Grant']) {
      const refused = { reason: 'InvalidArgument', message: expect.stringContaining(`KV.Put or Lease.LeaseGrant, received ${misspelt}`) };
      expect(failure(() => server.dropResponse(misspelt))).toMatchObject(refused);
      expect(failure(() => server.fail(misspelt, 'NoSpace'))).toMatchObject(refused);
    }
    for (const name of ['GET /version', 'POST /v3/kv/put', 'Lock.Lock', 'Watch.Watch']) server.fail(name, 'Unreachable');
  });

  test('name a lease that does not exist', () => {
    const { server } = createTestEtcd();
    expect(failure(() => server.expireLease(leaseId(7)))).toMatchObject({ reason: 'LeaseNotFound' });
  });

  test('name the endpoints to a client of another one', () => {
    const lines: string[] = [];
    story(({ server, at }) => {
      const lost = server.createClient({ endpoints: 'http://localhost:2379' });
      lost.kv.put('a', '1').subscribe({ error: ({ message }: EtcdError) => lines.push(message) });
      at(60_000, () => server.close());
    });
    expect(lines).toEqual([
      'KV.Put failed: no connection: the test server is at http://etcd-1:2379 (GET /version at http://localhost:2379)',
    ]);
  });

  test('name the members if the given one does not exist', () => {
    const { server } = createTestEtcd({ members: 2 });
    expect(failure(() => server.disconnect('http://etcd-3:2379'))).toMatchObject({
      reason: 'InvalidArgument',
      message: 'endpoint: expected one of http://etcd-1:2379, http://etcd-2:2379, received http://etcd-3:2379',
    });
  });
});
