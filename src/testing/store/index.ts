export type { CallContext, CallObserver, EtcdStore, ServerCall, StoreMember, StoreOptions, StoreResponse } from './etcdStore.js';
export { createStore } from './memoryStore.js';
