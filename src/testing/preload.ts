import * as endpointMap from '../concurrency/recipes/serviceEndpoint.js';
import { endpointMapModule } from '../concurrency/recipes/serviceRegistry.js';
import * as heldCaches from '../watch/cache/heldCaches.js';
import { cacheModule } from '../watch/cache/methods.js';
import * as composition from '../watch/composed/composition.js';
import { compositionModule } from '../watch/composed/methods.js';
import { liveRangeModule } from '../watch/live/live.js';
import * as liveRange from '../watch/live/liveRange.js';

/** Provides the modules that a client otherwise loads on demand, for which virtual time cannot wait. */
export function preload(): void {
  endpointMapModule.provide(endpointMap);
  liveRangeModule.provide(liveRange);
  compositionModule.provide(composition);
  cacheModule.provide(heldCaches);
}
