/**
 * The methods whose Observable is a stream, or is held while it is subscribed to, by their path from the client. All
 * other methods emit one value, so that their promise resolves with it.
 */
export const KINDS = {
  watch: 'stream',
  watchBatches: 'stream',
  live: 'stream',
  liveValue: 'stream',
  liveState: 'stream',
  liveReady: 'stream',
  liveValueState: 'stream',
  combineLive: 'stream',
  combineLiveState: 'stream',
  liveConfig: 'stream',
  liveConfigState: 'stream',
  'kv.pages': 'pages',
  'maintenance.snapshot': 'stream',
  'electionService.observe': 'stream',
  session: 'held',
  announce: 'held',
  lock: 'held',
  tryLock: 'held',
  readLock: 'held',
  writeLock: 'held',
  semaphore: 'held',
  lease: 'held',
  'lease.adopt': 'held',
  'election.campaign': 'held',
  'doubleBarrier.enter': 'held',
  'services.register': 'held',
} as const;

/** The form of a method's result: many values, pages that are read as they are consumed, or something that is held. */
export type Kind = (typeof KINDS)[keyof typeof KINDS];

/** The path of a member, in the form of the keys of {@link KINDS}. */
export const joinPath = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

/** Returns the kind of the method at a path; undefined for a method with one value. */
export const kindOf = (path: string): Kind | undefined => (Object.hasOwn(KINDS, path) ? KINDS[path as keyof typeof KINDS] : undefined);
