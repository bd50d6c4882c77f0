export { startCluster, type ClusterOptions, type EtcdCluster } from './cluster.js';
export { etcdctl, findTools, snapshotStatus, type EtcdctlOptions, type SnapshotStatus, type Tools } from './etcdctl.js';
export { findEtcd, type FindOptions } from './find.js';
export { freePorts } from '../ports.js';
export { run, type RunResult } from './run.js';
export { startEtcd } from './server.js';
export type { ClientTls, EtcdOptions, EtcdServer, EtcdSource } from './types.js';
export { versionMatches } from './versions.js';
