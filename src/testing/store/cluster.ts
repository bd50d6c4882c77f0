import type { Member as MemberCodec } from '../../codec/connection.js';
import type { DecodedBy } from '../../codec/descriptors.js';
import type { ClusterId, MemberId } from '../../model/ids.js';
import { refusal } from './refusal.js';

export type Member = DecodedBy<typeof MemberCodec>;

/** Holds the members of the cluster, their ids, and the term of the leader. */
export class Cluster {
  readonly id: ClusterId;
  term = 2;
  private list: readonly Member[];
  private leading: MemberId;
  private lastId: bigint;

  /**
   * @param generation the number of earlier clusters, all of which have other ids
   * @param endpoints the URLs of the members for clients
   * @param onNewLeader called whenever a member becomes the leader
   */
  constructor(
    members: number,
    generation: number,
    endpoints: readonly string[] | undefined,
    private readonly onNewLeader: () => void,
  ) {
    this.id = (14_841_639_068_965_178_418n - BigInt(generation)).toString() as ClusterId;
    this.lastId = 10_276_657_743_932_975_437n + BigInt(generation) * 1_000n;
    this.list = Array.from({ length: members }, (_, index) => ({
      id: this.newId(),
      name: members === 1 ? 'default' : `member-${index + 1}`,
      peerUrls: [`http://127.0.0.1:${2380 + index * 10}`],
      clientUrls: [endpoints?.[index] ?? `http://etcd-${index + 1}:2379`],
      isLearner: false,
    }));
    this.leading = this.list[0]?.id ?? ('0' as MemberId);
  }

  get members(): readonly Member[] {
    return this.list;
  }

  get leader(): MemberId {
    return this.leading;
  }

  /** Makes a member the leader, by default the next one. */
  lead(id?: MemberId): void {
    const place = this.list.findIndex((member) => member.id === this.leading);
    this.leading = id ?? this.list[(place + 1) % this.list.length]?.id ?? this.leading;
    this.term += 1;
    this.onNewLeader();
  }

  add(peerUrls: readonly string[], isLearner: boolean): Member {
    checkUrls(peerUrls);
    // A learner, or the second voter of a cluster, may be added without this check. For any other voter, a majority of
    // the new cluster must have started.
    const voters = this.list.filter((member) => !member.isLearner);
    const started = voters.filter(({ name }) => name !== '').length;
    if (!isLearner && voters.length > 1 && started < majority(voters.length + 1)) throw refusal('MemberNotEnoughStarted');
    if (started < voters.length) throw refusal('Unhealthy');
    this.checkNew(peerUrls);
    if (isLearner && this.list.some((member) => member.isLearner)) throw refusal('TooManyLearners');
    const member: Member = { id: this.newId(), name: '', peerUrls, clientUrls: [], isLearner };
    this.list = [...this.list, member];
    return member;
  }

  remove(id: MemberId): void {
    const removed = this.get(id);
    const left = this.list.filter((member) => member !== removed);
    const voters = left.filter((member) => !member.isLearner);
    const started = voters.filter(({ name }) => name !== '').length;
    if (started < majority(voters.length) || voters.length === 0) throw refusal('MemberNotEnoughStarted');
    this.list = left;
    if (this.leading === id) this.lead(voters[0]?.id);
  }

  update(id: MemberId, peerUrls: readonly string[]): void {
    const updated = this.get(id);
    // etcd itself would accept any text here, and would crash later.
    checkUrls(peerUrls);
    this.checkNew(peerUrls.filter((url) => !updated.peerUrls.includes(url)));
    // After this update, the member is no longer a learner. etcd does the same.
    this.replace({ ...updated, peerUrls, isLearner: false });
  }

  promote(id: MemberId): void {
    const promoted = this.get(id);
    if (promoted.name === '') throw refusal('LearnerNotReady');
    if (!promoted.isLearner) throw refusal('MemberNotLearner');
    this.replace({ ...promoted, isLearner: false });
  }

  get(id: MemberId): Member {
    const member = this.list.find((one) => one.id === id);
    if (member === undefined) throw refusal('MemberNotFound');
    return member;
  }

  private replace(changed: Member): void {
    this.list = this.list.map((member) => (member.id === changed.id ? changed : member));
  }

  private checkNew(urls: readonly string[]): void {
    if (this.list.some(({ peerUrls }) => peerUrls.some((url) => urls.includes(url)))) throw refusal('PeerURLExist');
  }

  private newId(): MemberId {
    this.lastId += 1n;
    return this.lastId.toString() as MemberId;
  }
}

const majority = (members: number): number => Math.floor(members / 2) + 1;

/** Matches a URL of a member, which has only a scheme, a host and a port. */
const MEMBER_URL = /^https?:\/\/(?:\[[\da-fA-F:.]+\]|[^/:?#[\]@\s]+):\d+$/;

function checkUrls(urls: readonly string[]): void {
  if (urls.length === 0 || !urls.every((url) => MEMBER_URL.test(url))) throw refusal('MemberBadURLs');
}
