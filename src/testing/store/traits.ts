/** The differences between versions of etcd that a client can see. */
export interface Traits {
  /** Whether a watch may have the id that its client chose. */
  readonly watchIdsOfClients: boolean;
  /** Whether long responses are split if the client asks for it. */
  readonly fragments: boolean;
  /** Whether a progress request is answered on a stream without watches. */
  readonly progressWithoutWatch: boolean;
  /** Whether a watch that is refused has the id of its request, and not -1. */
  readonly refusedWatchHasOwnId: boolean;
  /** Whether the refusal of a watch says that the token is not valid, and not that permission is denied. */
  readonly watchRefusalHasCause: boolean;
  /** Whether the refusal of a watch over no keys has a reason. */
  readonly emptyWatchHasReason: boolean;
  /** Whether a watch from a negative revision is refused. */
  readonly refusesNegativeStart: boolean;
  /** Whether calls for leases, compactions and the status need a token while auth is enabled. */
  readonly needsUser: boolean;
  /** Whether the keys of a lease are only listed for a client with a valid token. */
  readonly checksTokenForLeaseKeys: boolean;
  /** Whether a permission for a range without keys is refused. */
  readonly checksPermissionRange: boolean;
  /** Whether a compaction keeps the deletions of exactly its revision for watches. */
  readonly keepsTombstones: boolean;
  /** Whether the headers of responses about alarms have the revision of the store. */
  readonly alarmsHaveRevision: boolean;
  /** Whether an alarm of the kind `NONE` can be raised, which does nothing. */
  readonly raisesAlarmOfNoKind: boolean;
  /** Whether a lock whose lease has ended meanwhile is refused when its turn comes. */
  readonly locksNeedTheirKey: boolean;
}

/** The patch that a minor version stands for. */
const PATCHES: Readonly<Record<string, string>> = { '3.3': '3.3.25', '3.4': '3.4.23', '3.5': '3.5.30', '3.6': '3.6.14', '3.7': '3.7.1' };

/** A version as numbers. */
export interface StoreVersion {
  /** The whole version, such as `3.5.30`. */
  readonly text: string;
  /** The version of the cluster, such as `3.5.0`. */
  readonly cluster: string;
  /** Returns whether the version is this one (`3.4`) or newer. */
  readonly has: (version: string) => boolean;
}

/** Reads a version; a minor version stands for its newest patch. */
export function storeVersion(wanted: string): StoreVersion {
  const text = PATCHES[wanted] ?? wanted;
  const number = numberOf(text);
  return { text, cluster: `${text.split('.').slice(0, 2).join('.')}.0`, has: (version) => number >= numberOf(version) };
}

function numberOf(version: string): number {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return (major * 1000 + minor) * 1000 + patch;
}

/** Returns what a version does. */
export function traitsOf({ has }: StoreVersion): Traits {
  return {
    watchIdsOfClients: has('3.4'),
    fragments: has('3.4'),
    progressWithoutWatch: !has('3.5'),
    refusedWatchHasOwnId: false,
    watchRefusalHasCause: has('3.4'),
    emptyWatchHasReason: has('3.4'),
    refusesNegativeStart: has('3.5.22'),
    needsUser: has('3.5.28'),
    checksTokenForLeaseKeys: has('3.5'),
    checksPermissionRange: has('3.5'),
    keepsTombstones: has('3.5.16'),
    alarmsHaveRevision: has('3.5'),
    raisesAlarmOfNoKind: !has('3.5'),
    locksNeedTheirKey: has('3.5'),
  };
}
