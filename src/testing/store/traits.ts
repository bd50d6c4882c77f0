/** The differences between versions of etcd that a client can see. */
export interface Traits {
  /** Whether a watch may have the id that its client chose. */
  readonly watchIdsOfClients: boolean;
  /** Whether long responses are split if the client requests fragments. */
  readonly fragments: boolean;
  /** Whether a progress request gets a response on a stream without watches. */
  readonly progressWithoutWatch: boolean;
  /** Whether the response to a rejected watch has the id of the request, and not -1. */
  readonly refusedWatchHasOwnId: boolean;
  /**
   * Whether the error of a rejected watch has its cause, such as an invalid token. In older versions the error is
   * always `PermissionDenied`.
   */
  readonly watchRefusalHasCause: boolean;
  /** Whether a watch of an empty range is rejected with a reason. */
  readonly emptyWatchHasReason: boolean;
  /** Whether a watch that starts at a negative revision is rejected. */
  readonly refusesNegativeStart: boolean;
  /** Whether calls for leases, compactions and the status need a token while auth is enabled. */
  readonly needsUser: boolean;
  /** Whether the server lists the keys of a lease only for a client with a valid token. */
  readonly checksTokenForLeaseKeys: boolean;
  /** Whether a permission for a range without keys is rejected. */
  readonly checksPermissionRange: boolean;
  /** Whether a compaction keeps the deletions of the compacted revision for watches. */
  readonly keepsTombstones: boolean;
  /** Whether the headers of responses about alarms have the revision of the store. */
  readonly alarmsHaveRevision: boolean;
  /** Whether an alarm of the kind `NONE` can be raised. Such an alarm does not affect writes. */
  readonly raisesAlarmOfNoKind: boolean;
  /** Whether writes are still rejected after an alarm was cleared, if other alarms remain. */
  readonly refusesByAllAlarms: boolean;
  /** Whether a lock is rejected if its lease has ended before the lock could be acquired. */
  readonly locksNeedTheirKey: boolean;
}

/** The patch release that is imitated for each minor version. */
const PATCHES: Readonly<Record<string, string>> = { '3.3': '3.3.25', '3.4': '3.4.23', '3.5': '3.5.30', '3.6': '3.6.14', '3.7': '3.7.1' };

/** A version of etcd that the store imitates. */
export interface StoreVersion {
  /** The whole version, such as `3.5.30`. */
  readonly text: string;
  /** The version of the cluster, such as `3.5.0`. */
  readonly cluster: string;
  /** Returns whether the version is at least the given one, such as `3.4`. */
  readonly has: (version: string) => boolean;
}

/** Reads a version. A minor version stands for one of its patch releases. */
export function storeVersion(wanted: string): StoreVersion {
  const text = PATCHES[wanted] ?? wanted;
  const number = numberOf(text);
  return { text, cluster: `${text.split('.').slice(0, 2).join('.')}.0`, has: (version) => number >= numberOf(version) };
}

function numberOf(version: string): number {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return (major * 1000 + minor) * 1000 + patch;
}

/** Returns the traits of a version. */
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
    refusesByAllAlarms: has('3.6'),
    locksNeedTheirKey: has('3.5'),
  };
}
