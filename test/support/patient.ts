import type { ClientOptions } from '../../src/index.js';

/**
 * Options for the clients by which a test prepares a store and reads it, and for clients whose connections are counted.
 * A stall of the machine must not fail a call, or send it on a second connection, whose response may end the streams on
 * the others.
 */
export const PATIENT: ClientOptions = { attemptTimeoutMs: 30_000, requestTimeoutMs: 60_000 };
