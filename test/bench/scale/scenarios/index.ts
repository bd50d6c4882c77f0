import type { ScaleScenario } from '../scenario.js';
import { firstCallScenario } from './firstCall.js';
import { idleClientsScenario } from './idleClients.js';
import { largeReadsScenario } from './largeReads.js';
import { largeValuesScenario } from './largeValues.js';
import { leasesClosedScenario } from './leasesClosed.js';
import { liveRangeScenario } from './liveRange.js';
import { lockHandoverScenario } from './lockHandover.js';
import { putAllScenario } from './putAll.js';
import { putsAtOnceScenario } from './putsAtOnce.js';
import { subscribersScenario } from './subscribers.js';
import { waitersScenario } from './waiters.js';
import { watchesScenario } from './watches.js';

/** All scenarios, in the order of the table. One file each. */
export const scaleScenarios: readonly ScaleScenario[] = [
  putAllScenario,
  liveRangeScenario,
  firstCallScenario,
  watchesScenario,
  subscribersScenario,
  lockHandoverScenario,
  waitersScenario,
  largeReadsScenario,
  largeValuesScenario,
  putsAtOnceScenario,
  leasesClosedScenario,
  idleClientsScenario,
];
