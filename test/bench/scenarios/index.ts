import type { Scenario } from '../scenario.js';
import { callScenarios } from './calls.js';
import { decodeScenario } from './decode.js';
import { fanOutScenario } from './fanOut.js';
import { importScenario } from './importing.js';
import { liveScenario } from './live.js';
import { rangeScenario } from './range.js';
import { socketsScenario } from './sockets.js';
import { subscribersScenario } from './subscribers.js';
import { watchersScenario } from './watchers.js';
import { watchReplayScenario } from './watchReplay.js';

/** All that is measured, in the order of the table. */
export const scenarios: readonly Scenario[] = [
  ...callScenarios,
  rangeScenario,
  decodeScenario,
  watchReplayScenario,
  fanOutScenario,
  subscribersScenario,
  watchersScenario,
  socketsScenario,
  liveScenario,
  importScenario,
];
