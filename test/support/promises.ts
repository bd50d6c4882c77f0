/** The promises of a watch, and how to tell whether it kept them. */
export { violations, type Promised, type Violation } from './promises/check.js';
export { History, type Change, type Written } from './promises/history.js';
export { Recorder } from './promises/recorder.js';
export type { Delivered, DeliveredBatch, Watched } from './promises/watched.js';
