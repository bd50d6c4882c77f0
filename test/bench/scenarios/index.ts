import type { Scenario } from '../scenario.js';
import { bulkPutScenarios } from './bulkPut.js';
import { cacheReadScenarios } from './cacheReads.js';
import { callScenarios } from './calls.js';
import { combineLatencyScenario } from './combineLatency.js';
import { decodeScenario } from './decode.js';
import { fanOutScenario } from './fanOut.js';
import { firstGetScenario, importScenario } from './importing.js';
import { leasesScenario, leasesSocketsScenario } from './leases.js';
import { liveScenario } from './live.js';
import { lockCycleScenario } from './lockCycle.js';
import { lockHandoverScenario } from './lockHandover.js';
import { rangeScenario } from './range.js';
import { subscribersScenario } from './subscribers.js';
import { watchersScenario, watchersSocketsScenario } from './watchers.js';
import { watchLatencyScenarios } from './watchLatency.js';
import { watchReplayScenario } from './watchReplay.js';

/** All scenarios, in the order of the table. */
export const scenarios: readonly Scenario[] = [
  ...callScenarios,
  ...cacheReadScenarios,
  ...bulkPutScenarios,
  rangeScenario,
  decodeScenario,
  watchReplayScenario,
  ...watchLatencyScenarios,
  combineLatencyScenario,
  fanOutScenario,
  subscribersScenario,
  watchersScenario,
  watchersSocketsScenario,
  liveScenario,
  lockCycleScenario,
  lockHandoverScenario,
  leasesScenario,
  leasesSocketsScenario,
  importScenario,
  firstGetScenario,
];
