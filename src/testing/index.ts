/**
 * Tests programs that use etcd, without one: builders of keys and events.
 *
 * @module rxetcd/testing
 */
export { batch, deleteEvent, keyValue, putEvent, type DeleteEventFields, type KeyValueFields, type PutEventFields } from './builders.js';
