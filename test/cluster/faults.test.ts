import { afterAll, test } from '@jest/globals';
import { askedSeed, randomFrom, type Random } from '../support/random.js';
import { AUTH_FAULTS, FAULTS, TLS_FAULTS, TOKEN_TTL, type Fault } from '../support/workload/faults.js';
import { play, type PlayOptions } from '../support/workload/runScenario.js';
import type { Row } from '../support/workload/resultRow.js';
import { tableOf } from '../support/workload/table.js';

/**
 * On two busy cores, members elect and respond more slowly: a read through a partition takes 1.6 s of the allowed 2 s
 * already. `npm run soak`, which runs alone, checks the limits themselves.
 */
const SLACK = 2;

const random = randomFrom(askedSeed());
const rows: Row[] = [];

/** Every fault once, in random order. */
function eachOnce(faults: Readonly<Record<string, Fault>>, order: Random): PlayOptions['next'] {
  const left = Object.entries(faults);
  return () => (left.length === 0 ? undefined : left.splice(order.int(0, left.length - 1), 1)[0]);
}

async function verify(part: string, options: Omit<PlayOptions, 'random'>): Promise<void> {
  const played = await play({ ...options, slack: SLACK, random: random.fork(part) });
  rows.push(...played.rows);
  if (played.breaches.length === 0) return;
  const first = played.breaches.slice(0, 20).join('\n');
  throw new Error(`etcd ${played.version}, SEED=${random.seed}: ${played.breaches.length} breaches:\n${first}\n${tableOf(played.rows)}`);
}

afterAll(() => void process.stdout.write(`\nSEED=${random.seed}\n${tableOf(rows)}\n`));

test('reads, writes, watches and leases survive every fault of one member, or of all', async () => {
  const stall = random.pick(['stalled to one', 'stalled from one'] as const);
  const names = ['leader killed', 'follower stopped', 'rolling restart', stall, 'partition of one', 'all down for 5 s'] as const;
  const faults = Object.fromEntries(names.map((name) => [name, FAULTS[name]]));
  await verify('plain', { next: eachOnce(faults, random.fork('order')) });
}, 300_000);

test('reads, writes, watches and leases survive new certificates of all members, and expired tokens', async () => {
  const next = eachOnce({ ...TLS_FAULTS, ...AUTH_FAULTS }, random.fork('order of the secured'));
  await verify('secured', { tls: true, auth: true, tokenTtl: TOKEN_TTL, next });
}, 300_000);
