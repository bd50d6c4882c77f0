import { catchError, concat, EMPTY, finalize, first, forkJoin, map, mergeMap, of, Subject, takeUntil, type Observable } from 'rxjs';
import type { clusterRpcs } from '../../codec/cluster.js';
import type { AnswerOf } from '../../codec/rpc.js';
import type { ClusterId, MemberId } from '../../model/ids.js';
import { steadyNow } from '../steadyNow.js';

/** While something is amiss members are looked for this often. */
const HURRY_MS = 5_000;

type MemberList = AnswerOf<typeof clusterRpcs.memberList>;
type Member = MemberList['members'][number];

/** Who a server says that it is. */
export interface Identification {
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
}

/** What a search asks. */
export interface SearchQuestions {
  members(): Observable<MemberList>;
  /** Asks the server at an address, if there is one, without showing it a token. */
  identify(origin: string): Observable<Identification>;
}

/** An address that leads to a member. */
type Found = readonly [origin: string, id: MemberId];

/**
 * Finds the members of a cluster by its own list. What a member says of its address may be of use to its neighbours only, or lead elsewhere from here (`localhost`): an address
 * is used when the member has answered there that it is the one, of this cluster. Learners do not serve, and members that have not started have no address.
 */
export class MemberSearch {
  private found: ReadonlyMap<string, MemberId> = new Map();
  private beganAt = -Infinity;
  private searching = false;
  private readonly restarts = new Subject<void>();

  constructor(
    private readonly questions: SearchQuestions,
    private readonly intervalMs: number,
    /** Takes the addresses that were found. */
    private readonly use: (origins: readonly string[]) => void,
  ) {}

  /** Searches if it is time to. There is no timer: it is called as the client is used. */
  whenDue({ origins, anyAside }: { readonly origins: readonly string[]; readonly anyAside: boolean }): void {
    const now = steadyNow();
    const pauseMs = anyAside ? Math.min(HURRY_MS, this.intervalMs) : this.intervalMs;
    if (this.searching || now < this.beganAt + pauseMs) return;
    this.searching = true;
    this.beganAt = now;
    this.search(schemeOf(origins[0] ?? ''))
      .pipe(
        takeUntil(this.restarts),
        finalize(() => (this.searching = false)),
      )
      .subscribe({
        next: (found) => {
          this.found = found;
          this.use([...found.keys()]);
        },
        // Those that were found before will do until the next search.
        error: () => undefined,
      });
  }

  /** Forgets what was found, and searches anew the next time. */
  restart(): void {
    this.restarts.next();
    this.found = new Map();
    this.beganAt = -Infinity;
  }

  private search(scheme: string): Observable<ReadonlyMap<string, MemberId>> {
    return this.questions.members().pipe(
      mergeMap(({ header, members }) =>
        forkJoin(members.filter(({ isLearner }) => !isLearner).map((member) => this.wayTo(member, header.clusterId, scheme))),
      ),
      map((ways) => new Map(ways.filter((way) => way !== undefined))),
    );
  }

  /** The first of a member's addresses that leads to it. One that did stays: whether it still works is for the calls to find out. */
  private wayTo(member: Member, clusterId: ClusterId, scheme: string): Observable<Found | undefined> {
    const origins = member.clientUrls.filter((url) => URL.canParse(url)).map((url) => new URL(url).origin);
    const usable = origins.filter((origin) => schemeOf(origin) === scheme);
    const known = usable.find((origin) => this.found.get(origin) === member.id);
    if (known !== undefined) return of([known, member.id]);
    return concat(...usable.map((origin) => this.check(origin, member.id, clusterId))).pipe(first(() => true, undefined));
  }

  private check(origin: string, id: MemberId, clusterId: ClusterId): Observable<Found> {
    return this.questions.identify(origin).pipe(
      mergeMap((answer) => (answer.memberId === id && answer.clusterId === clusterId ? of<Found>([origin, id]) : EMPTY)),
      catchError(() => EMPTY),
    );
  }
}

const schemeOf = (origin: string): string => origin.slice(0, origin.indexOf(':'));
