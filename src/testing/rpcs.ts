import { authRpcs } from '../codec/auth.js';
import { clusterRpcs } from '../codec/cluster.js';
import { electionRpcs, lockRpcs } from '../codec/concurrency.js';
import { kvRpcs } from '../codec/kv.js';
import { leaseRpcs } from '../codec/lease.js';
import { maintenanceRpcs } from '../codec/maintenance.js';
import type { Rpc } from '../codec/descriptors.js';
import { watchRpcs } from '../codec/watch.js';

type RpcTable = Readonly<Record<string, Rpc<never, unknown>>>;

const TABLES: readonly RpcTable[] = [kvRpcs, leaseRpcs, watchRpcs, lockRpcs, electionRpcs, authRpcs, clusterRpcs, maintenanceRpcs];

/** The RPCs that a client can call by its methods. Some of them are there in several forms. */
export const RPCS: readonly Rpc<never, unknown>[] = TABLES.flatMap((rpcs) => Object.values(rpcs));
