/** The guarantees of a watch, and the checks of them. */
export { violations, type Promised, type Violation } from './watchGuarantees/check.js';
export { History, type Change, type Written } from './watchGuarantees/history.js';
export { Recorder } from './watchGuarantees/recorder.js';
export type { Delivered, DeliveredBatch, Watched } from './watchGuarantees/watched.js';
