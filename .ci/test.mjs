/**
 * Runs all tests: `test/integration` and `test/faults` on each etcd, the others once, and `test/cluster` alone. The
 * older 3.5 runs `test/integration` only. Further arguments go to jest: `npm test -- kv`, `npm test -- test/unit -t
 * 'splits'`.
 *
 * ETCD_VERSION=3.4 tests that version only; ETCD_ENDPOINTS or ETCD_BIN only the server that they name.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const results = mkdtempSync(join(tmpdir(), 'rxetcd-test-'));
const bin = createRequire(import.meta.url).resolve;
const asked = process.argv.slice(2);
const { ETCD_VERSION, ETCD_ENDPOINTS, ETCD_BIN, RXETCD_CLOSING_LINE } = process.env;

/** Folders whose tests speak to a server, and so depend on its version. */
const PER_VERSION = ['faults', 'integration'];
/**
 * The newest comes first, as it finds most faults soonest. `3.5` is the newest available 3.5: that of Debian's sid,
 * which is updated, or else trixie's 3.5.16, which is tested as well.
 */
const VERSIONS = [
  { version: '3.5' },
  { version: '3.5.16', optional: true, folders: ['integration'] },
  { version: '3.4' },
  { version: '3.3', optional: true },
];
/**
 * Files whose tests do not depend on the version of the server. They test pages, unresponsive, dead or closed
 * connections, removed endpoints, the cost of many keys, and the examples. They run on the first version only.
 */
const NEWEST_ONLY = [
  'faults/atMostOnce',
  'faults/cache',
  'faults/deadConnections',
  'faults/keepAliveAnswers',
  'faults/malformedResponses',
  'faults/proxies/pages',
  'faults/putAll',
  'faults/sharedBackoff',
  'faults/unresponsiveEndpoint',
  'faults/watch/bigBacklog',
  'faults/watch/promises',
  'faults/watch/staleBookmark',
  'integration/etcd3Bridge',
  'integration/examples',
  'integration/liveMany',
  'integration/manyCalls',
  'integration/relay',
  'integration/setEndpoints',
];
/**
 * Files that mostly wait: until leases end, dead connections are found, or owners leave. They run on the newest and the
 * oldest version only. The versions between behave the same in these tests.
 */
const NEWEST_AND_OLDEST = [
  'integration/announce',
  'integration/session',
  'faults/halfOpen',
  'faults/partitionedWatches',
  'faults/watch/replaced',
  'integration/close',
  'integration/leaseLife',
  'integration/lockLoss',
  'integration/reacquire',
  'integration/reentrant',
];

/** Files of `test/integration` that also run on the etcd in memory: all kinds of services, and no long waits. */
const IN_MEMORY = [
  'auth',
  'cluster',
  'electionService',
  'errors',
  'kvRange',
  'kvTxn',
  'kvWrite',
  'lockService',
  'namespace',
  'recipesLocks',
  'update',
  'watch',
];

/** Returns the arguments that make jest skip the files that do not run on the version at this index. */
function filesOf(index, count) {
  if (index === 0) return [];
  const left = [...NEWEST_ONLY, ...(index === count - 1 ? [] : NEWEST_AND_OLDEST)];
  return ['--testPathIgnorePatterns', '/node_modules/', ...left.map((name) => `/test/${name}\\.test\\.ts$`)];
}

/** These tests measure times, so they run when no other tests do, and a few at a time: each has a cluster. */
const TIMED = 'cluster';
const TIMED_ARGS = ['--maxWorkers=2'];

/** Tests of an app whose build takes a while: only CI, and those who work on the app, build it. */
const ANGULAR = 'angular';

function isAngularAppBuilt() {
  const isBuilt = existsSync(join(root, 'examples/angular/dist'));
  if (!isBuilt) console.log(bold('SKIPPED: test/angular, as its app is not built: npm run example:angular'));
  return isBuilt;
}

const sum = { passed: 0, failed: 0, skipped: 0 };
const bold = (text) => (process.stdout.isTTY ? `\x1b[1m${text}\x1b[0m` : text);

function node(args, version, stdio, more = {}) {
  const env = { ...process.env, ...(version === undefined ? {} : { ETCD_VERSION: version }), ...more };
  return spawnSync(process.execPath, args, { cwd: root, stdio, env, encoding: 'utf8' });
}

/** The versions to test; `undefined` is the version of a named server. */
function versionsToTest() {
  if (ETCD_VERSION) return [{ version: ETCD_VERSION }];
  if (ETCD_ENDPOINTS || ETCD_BIN) return [{ version: undefined }];
  return VERSIONS;
}

/** Downloads the server before jest starts, so that the download does not count as the time of a test. */
function bring({ version, optional, folders = PER_VERSION }) {
  const wish = version === undefined ? [] : ['--version', version];
  const cli = ['--import', 'tsx', 'test/support/etcd/cli.ts', ...wish, '--prefetch'];
  const { status, stdout, stderr } = node(cli, version, ['ignore', 'pipe', 'pipe']);
  if (status === 0) {
    if (stderr.trim() !== '') console.log(bold(stderr.trim()));
    const name = stdout.trim().split('\n').at(-1);
    // From here on exactly this version is used: a search for a better one would cost each test file time.
    return { version: ETCD_ENDPOINTS ? version : name.split(' ')[1], name, folders };
  }
  if (optional) {
    console.log(`${bold(`SKIPPED: etcd ${version} cannot be had on this machine.`)}\n${stderr.trim()}`);
    return undefined;
  }
  console.error(stderr.trim());
  sum.failed += 1;
  return undefined;
}

/** Brings the proxies, too. Without them their tests fail, or say that they were not run. */
function bringProxies() {
  const { status, stdout, stderr } = node(['--import', 'tsx', 'test/support/proxies/cli.ts'], undefined, ['ignore', 'pipe', 'pipe']);
  if (status !== 0) console.error(`The proxies cannot be had: ${stderr.trim()}`);
  else console.log(stdout.trim().replaceAll('\n', ', '));
}

const foldersWithTests = readdirSync(join(root, 'test'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .filter((name) => readdirSync(join(root, 'test', name), { recursive: true }).some((file) => file.endsWith('.test.ts')));

let runs = 0;

function jest(title, folders, version, args = [], env = {}) {
  const present = folders.filter((name) => foldersWithTests.includes(name));
  if (present.length === 0) return;
  console.log(`\n${bold(title)}`);
  const outputFile = join(results, `run-${++runs}.json`);
  // A pattern need not match in each of the runs; that it matched nowhere shows in the sum.
  const own = [
    ...args,
    '--json',
    '--outputFile',
    outputFile,
    '--passWithNoTests',
    ...present.flatMap((name) => ['--roots', `test/${name}`]),
  ];
  // `asked` comes first, as --roots takes all arguments after it.
  const { status } = node([bin('jest/bin/jest'), ...asked, ...own], version, 'inherit', env);
  const counted = count(outputFile);
  sum.passed += counted.passed;
  sum.failed += counted.failed === 0 && status !== 0 ? 1 : counted.failed;
  sum.skipped += counted.skipped;
}

function count(outputFile) {
  try {
    const report = JSON.parse(readFileSync(outputFile, 'utf8'));
    // A file that could not be run has no failed test to count.
    const failed = report.numFailedTests + report.numRuntimeErrorTestSuites;
    return { passed: report.numPassedTests, failed, skipped: report.numPendingTests + report.numTodoTests };
  } catch {
    return { passed: 0, failed: 0, skipped: 0 };
  }
}

const servers = versionsToTest().map(bring).filter(Boolean);
// Tests that are asked for by name download them where they need them.
if (asked.length === 0) bringProxies();
const once = foldersWithTests.filter((name) => !PER_VERSION.includes(name) && name !== TIMED && (name !== ANGULAR || isAngularAppBuilt()));
for (const [index, { version, name, folders }] of servers.entries()) {
  if (servers.findIndex((other) => other.name === name) < index) continue;
  if (index === 0) {
    jest(`${once.join(', ')} · ${name}`, once, version);
    if (asked.length === 0) {
      const files = `test/integration/(${IN_MEMORY.join('|')})\\.test\\.ts$`;
      jest('integration · etcd in memory', ['integration'], version, [files], { ETCD: 'memory' });
    }
    jest(`${TIMED} · ${name}`, [TIMED], version, TIMED_ARGS);
  }
  jest(`${folders.join(', ')} · ${name}`, folders, version, filesOf(index, servers.length));
}

if (sum.passed + sum.failed === 0) console.error(`No test ran${asked.length > 0 ? ` for: ${asked.join(' ')}` : ''}.`);
if (sum.skipped > 0) console.log(`\n${sum.skipped} skipped`);
const closing = `${sum.passed} passed, ${sum.failed} failed`;
// In .ci/run this is a file, whose content is printed again at the end.
if (RXETCD_CLOSING_LINE) writeFileSync(RXETCD_CLOSING_LINE, `${closing}\n`);
rmSync(results, { recursive: true, force: true });
console.log(`\n${closing}`);
process.exit(sum.failed > 0 || sum.passed === 0 ? 1 : 0);
