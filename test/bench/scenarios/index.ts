import type { Scenario } from '../scenario.js';
import { bulkPutScenarios } from './bulkPut.js';
import { callScenarios } from './calls.js';
import { combineLatencyScenario } from './combineLatency.js';
import { decodeScenario } from './decode.js';
import { fanOutScenario } from './fanOut.js';
import { firstGetScenario, importScenario } from './importing.js';
import { leasesScenario, leasesSocketsScenario } from './leases.js';
import { liveScenario } from './live.js';
import { lockCycleScenario } from './lockCycle.js';
import { rangeScenario } from './range.js';
import { subscribersScenario } from './subscribers.js';
import { watchersScenario, watchersSocketsScenario } from './watchers.js';
import { watchLatencyScenarios } from './watchLatency.js';
import { watchReplayScenario } from './watchReplay.js';

/** All that is measured, in the order of the table. */
export const scenarios: readonly Scenario[] = [
  ...callScenarios,
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
  leasesScenario,
  leasesSocketsScenario,
  importScenario,
  firstGetScenario,
];
