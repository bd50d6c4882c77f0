/**
 * Starts an etcd in memory that other processes reach, for tests of whole programs. It runs on Node only. Start with
 * {@link startTestServer}.
 *
 * @module rxetcd/testing/server
 */
export { startTestServer, type RunningTestServer, type TestServerOptions } from './startTestServer.js';
