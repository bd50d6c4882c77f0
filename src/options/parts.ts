import { holding } from '../concurrency/coordination.js';
import { administration } from '../services/administration.js';
import { chunkedStream } from '../watch/streams/chunkedStream.js';

/**
 * The parts of a client that most pages never use. Every other platform has them at hand, and a browser loads this
 * module when one of them is first used.
 */
export const parts = { holding, administration, chunkedStream };

/** These parts, as a platform gives them to a client. */
export type Parts = typeof parts;
