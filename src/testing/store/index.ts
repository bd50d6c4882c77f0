export type {
  CallContext,
  CallObserver,
  EtcdStore,
  RefusedCall,
  ServerCall,
  StoreMember,
  StoreOptions,
  StoreResponse,
} from './etcdStore.js';
export { createStore } from './memoryStore.js';
export { gatewayJson } from './endpoint.js';
export { storeVersion } from './traits.js';
