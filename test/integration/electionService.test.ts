import { describe, expect, test } from '@jest/globals';
import { idToHex, toText, type LeaseId } from 'rxetcd';
import { map } from 'rxjs';
import { withEtcd } from './support/fixture.js';
import { failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const grant = async (): Promise<LeaseId> => (await only(fixture.etcd.lease.grant(60))).id;

describe('electionService', () => {
  test('a single candidate is elected, with a key as etcdctl and the Go client create it', async () => {
    const { electionService } = fixture.etcd;
    const lease = await grant();
    const { leader, header } = await only(electionService.campaign('election/alone', 'me', { lease }));
    expect(leader).toMatchObject({ name: new TextEncoder().encode('election/alone'), rev: header.revision, lease });
    expect(toText(leader.key)).toBe(`election/alone/${idToHex(lease)}`);
    expect((await only(electionService.leader('election/alone'))).kv).toMatchObject({
      key: toText(leader.key),
      value: 'me',
      lease,
      createRevision: leader.rev,
    });
    await only(electionService.resign(leader));
  });

  test('without a lease the server grants one of a minute', async () => {
    const { lease, electionService } = fixture.etcd;
    const { leader } = await only(electionService.campaign('election/own', 'me'));
    expect((await only(lease.timeToLive(leader.lease))).grantedTtl).toBe(60);
    await only(lease.revoke(leader.lease));
  });

  test('the leader proclaims any bytes; after resigning it no longer can', async () => {
    const { electionService } = fixture.etcd;
    const { leader } = await only(electionService.campaign('election/say', 'first', { lease: await grant() }));
    await only(electionService.proclaim(leader, Uint8Array.of(0, 0xff)));
    expect((await only(electionService.leader('election/say'))).kv?.valueBytes).toEqual(Uint8Array.of(0, 0xff));
    await only(electionService.resign(leader));
    await failureWith('ElectionNoLeader', electionService.leader('election/say'));
    await failureWith('ElectionNotLeader', electionService.proclaim(leader, 'still here'));
  });

  test('a waiting candidate blocks no connection: the leader can resign', async () => {
    const { kv, electionService } = fixture.client({ maxConnections: 1 });
    const { leader } = await only(electionService.campaign('election/many', 'first', { lease: await grant() }));
    const next = only(electionService.campaign('election/many', 'second', { lease: await grant() }));
    await waitForValue(
      () => only(fixture.etcd.kv.count({ prefix: 'election/many/' })),
      (count) => count === 2,
    );
    await only(kv.get('election/many'));
    await only(electionService.resign(leader));
    await only(electionService.resign((await next).leader));
  });

  test('the second candidate waits, and leads when the first resigns', async () => {
    const { kv, electionService } = fixture.etcd;
    const first = await only(electionService.campaign('election/two', 'first', { lease: await grant() }));
    let elected = false;
    const second = only(electionService.campaign('election/two', 'second', { lease: await grant() })).then((answer) => {
      elected = true;
      return answer;
    });
    await waitForValue(
      () => only(kv.count({ prefix: 'election/two/' })),
      (count) => count === 2,
    );
    expect(elected).toBe(false);
    await only(electionService.resign(first.leader));
    await second;
    expect((await only(electionService.leader('election/two'))).kv?.value).toBe('second');
    await only(electionService.resign((await second).leader));
  });

  test('a candidate that unsubscribes withdraws, and leaves no key', async () => {
    const { kv, electionService } = fixture.etcd;
    const { leader } = await only(electionService.campaign('election/down', 'first', { lease: await grant() }));
    const candidate = electionService.campaign('election/down', 'second', { lease: await grant() }).subscribe();
    await waitForValue(
      () => only(kv.count({ prefix: 'election/down/' })),
      (count) => count === 2,
    );
    candidate.unsubscribe();
    await waitForValue(
      () => only(kv.count({ prefix: 'election/down/' })),
      (count) => count === 1,
    );
    await only(electionService.resign(leader));
  });

  test('observe emits the leader, each proclamation, and each next leader', async () => {
    const { kv, electionService } = fixture.etcd;
    const seen: (string | undefined)[] = [];
    const errors: unknown[] = [];
    const watching = electionService
      .observe('election/watch')
      .pipe(map(({ kv: leading }) => leading?.value))
      .subscribe({ next: (value) => seen.push(value), error: (error: unknown) => errors.push(error) });
    const saw = (count: number) =>
      waitForValue(
        () => seen,
        ({ length }) => length >= count,
      );

    const first = await only(electionService.campaign('election/watch', 'first', { lease: await grant() }));
    await saw(1);
    await only(electionService.proclaim(first.leader, 'first, again'));
    await saw(2);
    const second = only(electionService.campaign('election/watch', 'second', { lease: await grant() }));
    await waitForValue(
      () => only(kv.count({ prefix: 'election/watch/' })),
      (count) => count === 2,
    );
    await only(electionService.resign(first.leader));
    await saw(3);
    watching.unsubscribe();
    expect([seen, errors]).toEqual([['first', 'first, again', 'second'], []]);
    await only(electionService.resign((await second).leader));
  });
});
