/**
 * The files of `test/integration` that run in a page, too. The others test Node (processes, files, TLS, sockets,
 * examples), or call RPCs that no page calls (users, members, alarms).
 */
export const IN_A_PAGE: readonly string[] = [
  'leaseLife',
  'lockLoss',
  'stm',
  'lock',
  'watch',
  'watchBatches',
  'live',
  'liveReconnect',
  'liveValue',
  'lease',
  'ownWrites',
  'kvTxn',
  'kvRange',
  'kvWrite',
  'update',
  'operators',
  'election',
  'recipesBarriers',
  'recipesLocks',
  'recipesQueues',
  'recipesServices',
  'namespace',
  'promises',
];

const AGAIN = 'Chromium itself sends a request again whose connection was cut before the response (docs/browser.md)';
const CALLBACKS = 'its proxy calls functions of the test in the middle of a request';
const TIME = 'it makes thousands of calls, which a page does slowly';
const NODE = 'it is about process.on';

/** The tests of these files that do not run in a page: the beginnings of their titles, with the reason. */
export const NOT_IN_A_PAGE: readonly { readonly file: string; readonly title: string; readonly reason: string }[] = [
  { file: 'leaseLife', title: 'a lease › that is unsubscribed at once, a thousand times', reason: TIME },
  { file: 'ownWrites', title: 'a watch of a client › sees each of 1 000 puts', reason: TIME },
  { file: 'ownWrites', title: 'a watch of a client › sees the put that a cold client sends', reason: TIME },
  { file: 'ownWrites', title: 'a watch sees a put of its client although the responses', reason: AGAIN },
  { file: 'promises', title: 'something that is held by a promise › is lost without an error if no handler is there', reason: NODE },
  { file: 'recipesQueues', title: 'a queue › an item of a queue that was taken for a consumer that has left', reason: CALLBACKS },
  { file: 'recipesQueues', title: 'a queue › an item of a priority queue that was taken for a consumer that has left', reason: CALLBACKS },
  { file: 'recipesQueues', title: 'a queue › puts an item of a priority queue next to a new one', reason: CALLBACKS },
  { file: 'recipesQueues', title: 'a queue › fails with AmbiguousWrite if it is unknown whether an item was taken', reason: AGAIN },
  {
    file: 'stm',
    title: 'a bank of accounts › keeps its sum while 8 writers, each with a separate client, transfer money: repeatable',
    reason: TIME,
  },
  {
    file: 'stm',
    title: 'a bank of accounts › keeps its sum while 8 writers, each with a separate client, transfer money: serializable',
    reason: TIME,
  },
  { file: 'update', title: 'a write whose response is lost', reason: AGAIN },
  { file: 'watch', title: 'watch from a revision › replays three thousand revisions', reason: TIME },
];
