/**
 * Provides a client to Angular's injectors, and shows the state of keys in etcd as signals. Start with
 * {@link provideEtcd} and {@link liveValueSignal}.
 *
 * @module rxetcd/angular
 */
export { ETCD, injectEtcd, provideEtcd } from './provideEtcd.js';
export { combineLiveSignal, connectionSignal, liveConfigSignal, liveSignal, liveValueSignal, type LiveSignalOptions } from './signals.js';
