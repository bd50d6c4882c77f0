/**
 * Tests programs that use etcd, without a server. It provides an etcd in memory that uses RxJS's time, faults on
 * demand, and builders of events. Start with {@link createTestEtcd}.
 *
 * @module rxetcd/testing
 */
export { createTestEtcd, type TestEtcd, type TestEtcdOptions } from './createTestEtcd.js';
export type { Direction, TestClientOptions, TestLease, TestServer } from './testServer.js';
export type { CallMatch, RecordedCall } from './network.js';
export type { OpenWatch } from './openWatches.js';
export { batch, deleteEvent, keyValue, putEvent, type DeleteEventFields, type KeyValueFields, type PutEventFields } from './builders.js';
