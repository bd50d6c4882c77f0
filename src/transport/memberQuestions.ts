import { finalize, map } from 'rxjs';
import { clusterRpcs } from '../codec/cluster.js';
import { maintenanceRpcs } from '../codec/maintenance.js';
import type { Caller } from './call.js';
import type { Endpoints } from './endpoints/endpointPool.js';
import type { SearchQuestions } from './endpoints/memberDiscovery.js';

/** An address that cannot be reached may not answer at all. */
const PATIENCE_MS = 5_000;

/** Whoever answers at an advertised address may be somebody else, whom our token is none of the business of. */
const anonymousStatus = { ...maintenanceRpcs.status, anonymous: true } as const;

/** What is asked to find members, as calls. */
export function memberQuestions(
  unary: Caller['unary'],
  { endpoints, release }: { readonly endpoints: Endpoints; readonly release: (origin: string) => void },
): SearchQuestions {
  return {
    members: () => unary(clusterRpcs.memberList, {}, { timeoutMs: PATIENCE_MS }),
    identify: (origin) =>
      endpoints
        .consider(origin, () => unary(anonymousStatus, {}, { endpoint: origin, timeoutMs: PATIENCE_MS }))
        .pipe(
          map(({ header }) => header),
          finalize(() => release(origin)),
        ),
  };
}
