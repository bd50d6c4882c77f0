import {
  catchError,
  concat,
  defer,
  EMPTY,
  finalize,
  first,
  forkJoin,
  map,
  mergeMap,
  type Observable,
  of,
  Subject,
  take,
  takeUntil,
  throwError,
} from 'rxjs';
import { identifyRpc, memberListRpc } from '../../codec/connection.js';
import type { ResponseHeader } from '../../codec/common.js';
import type { ResponseOf } from '../../codec/descriptors.js';
import { watchRpcs } from '../../codec/watch.js';
import { isEtcdError } from '../../errors/index.js';
import type { Caller } from '../call.js';
import { type Destination, unconfirmedAt, type Wire } from '../wire.js';
import { basePathOf, probeVersion, withTimeout } from './version.js';
import type { ClusterId, MemberId } from '../../model/ids.js';
import { monotonicNow } from '../../util/time.js';

/** The maximum time between two discoveries while an endpoint is set aside, in milliseconds. */
const HURRY_MS = 5_000;

type MemberList = ResponseOf<typeof memberListRpc>;
type Member = MemberList['members'][number];

/** The cluster id and the member id of a server. */
export interface Identification {
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
}

/** The requests of a discovery. */
export interface DiscoveryRequests {
  members(): Observable<MemberList>;
  /** Requests the ids of the server at an address. The request contains no token. */
  identify(origin: string): Observable<Identification>;
}

/** An address at which a member was reached. */
type Found = readonly [origin: string, id: MemberId];

/**
 * Discovers the members of a cluster from its member list. A listed address may be reachable only from other members,
 * or may belong to another server on this host (`localhost`). So an address is used only after the same member of the
 * same cluster has responded there. Addresses with another scheme than that of the first endpoint are not used.
 * Learners are not used, as they do not serve most requests. Members that have not started have no address.
 */
export class MemberDiscovery {
  private found: ReadonlyMap<string, MemberId> = new Map();
  private beganAt = -Infinity;
  private searching = false;
  private readonly restarts = new Subject<void>();

  constructor(
    private readonly requests: DiscoveryRequests,
    private readonly intervalMs: number,
    /** Called with the addresses at which members were reached. */
    private readonly use: (origins: readonly string[]) => void,
  ) {}

  /** Starts a discovery if one is due. There is no timer: this method is called whenever the client is used. */
  whenDue({ origins, anySetAside }: { readonly origins: readonly string[]; readonly anySetAside: boolean }): void {
    const now = monotonicNow();
    const pauseMs = anySetAside ? Math.min(HURRY_MS, this.intervalMs) : this.intervalMs;
    if (this.searching || now < this.beganAt + pauseMs) return;
    this.searching = true;
    this.beganAt = now;
    this.search(schemeOf(origins[0] ?? ''))
      .pipe(
        takeUntil(this.restarts),
        finalize(() => (this.searching = false)),
      )
      .subscribe({
        next: (found) => this.take(found),
        // After a failure, the addresses of the previous discovery are used until the next one.
        error: () => undefined,
      });
  }

  /** Starts a discovery now, even if none is due. Emits once, when the discovered addresses are in use. */
  searchNow(origins: readonly string[]): Observable<void> {
    return defer(() => this.search(schemeOf(origins[0] ?? ''))).pipe(
      map((found) => this.take(found)),
      takeUntil(this.restarts),
    );
  }

  private take(found: ReadonlyMap<string, MemberId>): void {
    this.found = found;
    this.use([...found.keys()]);
  }

  /** Discards the discovered members. The next use of the client then starts a discovery. */
  restart(): void {
    this.restarts.next();
    this.found = new Map();
    this.beganAt = -Infinity;
  }

  private search(scheme: string): Observable<ReadonlyMap<string, MemberId>> {
    return this.requests.members().pipe(
      mergeMap(({ header, members }) =>
        forkJoin(members.filter(({ isLearner }) => !isLearner).map((member) => this.wayTo(member, header.clusterId, scheme))),
      ),
      map((ways) => new Map(ways.filter((way) => way !== undefined))),
    );
  }

  /**
   * Emits the first address at which a member is reached; undefined if there is no such address. An address from an
   * earlier discovery is not checked again, as calls detect whether it still works.
   */
  private wayTo(member: Member, clusterId: ClusterId, scheme: string): Observable<Found | undefined> {
    const origins = member.clientUrls.filter((url) => URL.canParse(url)).map((url) => new URL(url).origin);
    const usable = origins.filter((origin) => schemeOf(origin) === scheme);
    const known = usable.find((origin) => this.found.get(origin) === member.id);
    if (known !== undefined) return of([known, member.id]);
    return concat(...usable.map((origin) => this.check(origin, member.id, clusterId))).pipe(first(() => true, undefined));
  }

  private check(origin: string, id: MemberId, clusterId: ClusterId): Observable<Found> {
    return this.requests.identify(origin).pipe(
      mergeMap((response) => (response.memberId === id && response.clusterId === clusterId ? of<Found>([origin, id]) : EMPTY)),
      catchError(() => EMPTY),
    );
  }
}

const schemeOf = (origin: string): string => origin.slice(0, origin.indexOf(':'));

/**
 * How long a response may take, in milliseconds. A response from an address that cannot be reached may never arrive.
 */
const REQUEST_TIMEOUT_MS = 5_000;

interface DiscoveryDeps {
  readonly wire: Wire;
  readonly apiPrefix: string | undefined;
}

/**
 * Creates the requests that discover members. The member list is requested with a normal call. The request that
 * identifies an address contains no secret.
 */
export function memberRequests(unary: Caller['unary'], { wire, apiPrefix }: DiscoveryDeps): DiscoveryRequests {
  return {
    members: () => unary(memberListRpc, {}, { timeoutMs: REQUEST_TIMEOUT_MS }),
    identify: (origin) => {
      const where = { rpc: 'GET /version', endpoint: origin };
      const path = `${apiPrefix === undefined ? '' : basePathOf(apiPrefix)}/version`;
      const version = wire.get({ to: unconfirmedAt(origin), path, name: where.rpc });
      return withTimeout(
        REQUEST_TIMEOUT_MS,
        probeVersion(version, { address: origin, basePath: '', knownVersion: false }, apiPrefix).pipe(
          mergeMap(({ prefix }) => headerOf(wire, unconfirmedAt(origin, prefix))),
        ),
        where,
      ).pipe(finalize(() => wire.release(origin)));
    },
  };
}

/**
 * Requests the ids of a cluster and a member. Since 3.5.28 and 3.6.9, `Status` needs a token if auth is enabled. A
 * watch then needs a token as well, but the message that rejects the watch has a header with the ids.
 */
function headerOf(wire: Wire, to: Destination): Observable<Header> {
  return wire
    .unary(
      identifyRpc,
      {},
    )({ to, recover: rethrow })
    .pipe(
      map(({ header }) => header),
      catchError((error: unknown) => (isEtcdError(error) && REFUSED.has(error.code) ? headerOfWatch(wire, to) : rethrow(error))),
    );
}

/** The codes of a rejection because of a missing token or permission. */
const REFUSED: ReadonlySet<string> = new Set(['InvalidArgument', 'Unauthenticated', 'PermissionDenied']);

function headerOfWatch(wire: Wire, to: Destination): Observable<Header> {
  return wire
    .stream(watchRpcs.watch, { createRequest: { key: '\0' } })({ to })
    .pipe(
      map(({ header }) => header),
      take(1),
    );
}

type Header = ReturnType<(typeof ResponseHeader)['absent']>;

const rethrow = (failure: unknown): Observable<never> => throwError(() => failure);
