/**
 * All tests: `test/integration` and `test/faults` on each etcd, the others once, `test/cluster` by itself. An older 3.5 has `test/integration` alone.
 * Further arguments go to jest: `npm test -- kv`, `npm test -- test/unit -t 'splits'`.
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
 * The newest comes first: it shows most faults soonest. `3.5` is the newest that can be had: Debian's sid, which moves on, or else trixie's 3.5.16, which is
 * tested beside it.
 */
const VERSIONS = [
  { version: '3.5' },
  { version: '3.5.16', optional: true, folders: ['integration'] },
  { version: '3.4' },
  { version: '3.3', optional: true },
];
/**
 * Files whose tests ask nothing that depends on the version of the server: how the client deals with pages, silence, connections that are dead or cut,
 * and endpoints that are taken from it, what many keys cost it, and the examples. They run on the first version only.
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
 * Files that mostly wait: until leases end, dead connections are found, or owners leave. They run on the newest and the oldest version only. The versions
 * between behave the same in these tests.
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

/** Files of `test/integration` that run on the etcd in memory, too: all kinds of services, and none that waits for long. */
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

/** The arguments by which jest leaves out the files that do not run on the version with this place in the list. */
function filesOf(index, count) {
  if (index === 0) return [];
  const left = [...NEWEST_ONLY, ...(index === count - 1 ? [] : NEWEST_AND_OLDEST)];
  return ['--testPathIgnorePatterns', '/node_modules/', ...left.map((name) => `/test/${name}\\.test\\.ts$`)];
}

/** Its tests hold times, and so run when no others do, and few at a time: each has a cluster. */
const TIMED = 'cluster';
const TIMED_ARGS = ['--maxWorkers=2'];

/** Tests of an app that takes a while to build, so only those who work on it and CI do that. */
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

/** What is to be tested: `undefined` is the version that a named server has. */
function versionsToTest() {
  if (ETCD_VERSION) return [{ version: ETCD_VERSION }];
  if (ETCD_ENDPOINTS || ETCD_BIN) return [{ version: undefined }];
  return VERSIONS;
}

/** Brings the server before jest starts, as a download must not count as the time of a test. */
function bring({ version, optional, folders = PER_VERSION }) {
  const wish = version === undefined ? [] : ['--version', version];
  const cli = ['--import', 'tsx', 'test/support/etcd/cli.ts', ...wish, '--prefetch'];
  const { status, stdout, stderr } = node(cli, version, ['ignore', 'pipe', 'pipe']);
  if (status === 0) {
    if (stderr.trim() !== '') console.log(bold(stderr.trim()));
    const name = stdout.trim().split('\n').at(-1);
    // Exactly this one from here on: to look for a better one again would take each test file its time.
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
  // `asked` comes first, as --roots takes all that follows it.
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
// A file of .ci/run, which repeats the line at its own end.
if (RXETCD_CLOSING_LINE) writeFileSync(RXETCD_CLOSING_LINE, `${closing}\n`);
rmSync(results, { recursive: true, force: true });
console.log(`\n${closing}`);
process.exit(sum.failed > 0 || sum.passed === 0 ? 1 : 0);
