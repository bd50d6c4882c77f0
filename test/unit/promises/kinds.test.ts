import { afterAll, expect, test } from '@jest/globals';
import { createClient, type Client } from '../../../src/index.js';
import { KINDS } from '../../../src/promises/types.js';
import { methodsOf } from '../fuzz/arguments.js';

/** A client that sends nothing: no call is made. */
const etcd = createClient({ endpoints: 'http://127.0.0.1:1' });
afterAll(() => etcd.close());

/** The methods that return an object with more methods. */
const MAKERS: Readonly<Record<string, (client: Client) => object>> = {
  election: (client) => client.election('n'),
  barrier: (client) => client.barrier('n'),
  doubleBarrier: (client) => client.doubleBarrier('n', 2),
  queue: (client) => client.queue('n'),
  priorityQueue: (client) => client.priorityQueue('n'),
  services: (client) => client.services('n'),
};

/** The methods that return no Observable, and those whose views are created separately. */
const OTHERS = ['endpoints', 'setEndpoints', 'withAuth', 'close', 'namespace'];

/** The methods whose Observable emits one value, by the object that has them. */
const ONE_VALUE: Readonly<Record<string, string>> = {
  '': 'watchOnce putConfig lockWaiters whenUnlocked requestProgress stm update call sync version health livez readyz metrics metricsText',
  kv: 'get exists entries count range put delete txn compact',
  lease: 'grant revoke timeToLive leases keepAliveOnce',
  lockService: 'lock unlock',
  electionService: 'campaign proclaim leader resign',
  auth:
    'enable disable status authenticate userAdd userGet userList userDelete userChangePassword userGrantRole userRevokeRole ' +
    'roleAdd roleGet roleList roleDelete roleGrantPermission roleRevokePermission',
  cluster: 'memberAdd memberRemove memberUpdate memberList memberPromote',
  maintenance: 'alarms alarmActivate alarmDeactivate status defragment hash hashKv moveLeader downgrade',
  barrier: 'hold release wait',
  queue: 'enqueue dequeue',
  priorityQueue: 'enqueue dequeue',
  services: 'list update delete',
};

test('every method has a kind: stream, held, factory or single value', () => {
  const found = [
    ...methodsOf(etcd).filter((path) => !(path in MAKERS)),
    ...Object.entries(MAKERS).flatMap(([name, make]) => methodsOf(make(etcd), `${name}.`)),
  ];
  const ofOneValue = Object.entries(ONE_VALUE).flatMap(([owner, names]) =>
    names.split(' ').map((name) => (owner === '' ? name : `${owner}.${name}`)),
  );
  // A method that emits many values, or holds something while it is subscribed, belongs in src/promises/kinds.ts. Methods
  // of held objects belong to no client.
  const kinds = Object.keys(KINDS).filter((path) => !path.startsWith('held.')); // those of what is held are of no client
  expect(found.toSorted()).toEqual([...kinds, ...ofOneValue, ...OTHERS].toSorted());
});
