const PROCESS = 'it starts processes, which cannot reach the etcd in memory';
const SOCKETS = 'it is about connections and sockets';
const BYTES = 'its proxy counts or delays bytes, or changes HTTP';
const TLS = 'it is about TLS';
const REAL = 'it compares or measures a real server';
const HTTP = 'it depends on headers, sizes or malformed requests of HTTP';
const DISK = 'it looks at the disk of a server';
const QUORUM = 'the members in memory share one store, and need no quorum unless one is isolated';

/**
 * The tests of `test/integration` that cannot run on the etcd in memory, with the reason. An entry without a title is a
 * whole file, and one with a title is every test whose full name begins with it.
 */
exports.NOT_IN_MEMORY = [
  { file: 'integration/etcd3Bridge', reason: 'etcd3 reaches no etcd in memory' },
  { file: 'integration/examples', reason: PROCESS },
  { file: 'integration/interop', reason: PROCESS },
  { file: 'integration/discovery', reason: PROCESS },
  { file: 'integration/webSocketFinalMessages', reason: SOCKETS },
  { file: 'integration/wrongPorts', reason: SOCKETS },
  { file: 'integration/manyCalls', reason: SOCKETS },
  { file: 'integration/liveMany', reason: REAL },
  { file: 'integration/close', title: 'a process', reason: PROCESS },
  {
    file: 'integration/close',
    title: 'a lease that is held when the client is closed › is listed in the summary if the timeout',
    reason: BYTES,
  },
  { file: 'integration/cluster', title: 'cluster › memberAdd lets another server join', reason: PROCESS },
  { file: 'integration/cluster', title: 'cluster › memberPromote gives a learner its vote', reason: PROCESS },
  {
    file: 'integration/clusterErrors',
    title: 'a leader during a transfer of its leadership',
    reason: 'the leadership in memory moves at once',
  },
  { file: 'integration/clusterErrors', title: 'a server alone › LearnerNotReady', reason: PROCESS },
  { file: 'integration/clusterErrors', title: 'a cluster that loses its members', reason: QUORUM },
  { file: 'integration/downgrade', reason: 'etcd 3.5 never answers a downgrade, and the one in memory does' },
  { file: 'integration/errors', title: 'a separate server › DeadlineExceeded', reason: HTTP },
  {
    file: 'integration/errors',
    title: 'requests that crash older servers, and that no service of rxetcd sends › PermissionNotGiven',
    reason: HTTP,
  },
  {
    file: 'integration/gatheredReads',
    title: 'the size of a batch › grows smaller after the first response that was too large',
    reason: HTTP,
  },
  { file: 'integration/firstContact', title: 'an https endpoint', reason: TLS },
  {
    file: 'integration/leaseLife',
    title: 'a lease › that is unsubscribed at once, a thousand times',
    reason: 'in memory they end before anyone can look',
  },
  { file: 'integration/leaseLife', title: 'in a cluster, a lease › is refreshed through another member', reason: BYTES },
  { file: 'integration/maintenance', title: 'maintenance › defragment frees disk space', reason: DISK },
  { file: 'integration/maintenance', title: 'maintenance.snapshot › emits parts of a file', reason: DISK },
  {
    file: 'integration/promises',
    title: 'something that is held by a promise › no longer exists on the server when the release after a loss',
    reason: BYTES,
  },
  { file: 'integration/readYourWrites', title: 'a view › is stale while the stream is down', reason: BYTES },
  { file: 'integration/recipesQueues', title: 'a queue › an item of a queue that was taken for a consumer that has left', reason: BYTES },
  {
    file: 'integration/recipesQueues',
    title: 'a queue › an item of a priority queue that was taken for a consumer that has left',
    reason: BYTES,
  },
  { file: 'integration/recipesQueues', title: 'a queue › puts an item of a priority queue next to a new one', reason: BYTES },
  { file: 'integration/recipesQueues', title: 'a queue › fails with AmbiguousWrite if it is unknown', reason: BYTES },
  { file: 'integration/reentrant', title: 'a reentrant lock › excludes other holders, plain locks and etcdctl', reason: PROCESS },
  { file: 'integration/reentrant', title: 'the same holder', reason: PROCESS },
  { file: 'integration/serverInfo', title: 'requests to plain HTTP paths › metrics are returned as Prometheus text', reason: DISK },
  { file: 'integration/setEndpoints', title: 'a call in progress at an endpoint that is removed', reason: BYTES },
  { file: 'integration/relay', reason: SOCKETS },
  { file: 'integration/testing/gateway', reason: REAL },
  { file: 'integration/testing/store', reason: REAL },
  { file: 'integration/testing/storeAuth', reason: REAL },
  { file: 'integration/testing/storeServices', reason: REAL },
];
