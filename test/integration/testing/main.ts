/** The long form of the comparison with a real server: `npm run differential`, with `KIND=kv`, `auth` or `services`, `RUNS=1000` and `SEED=…`. */
import { inspect } from 'node:util';
import { startEtcd } from '../../support/etcd/index.js';
import { askedSeed } from '../../support/random.js';
import { Comparison, KINDS } from './compare.js';

const { KIND = 'kv', RUNS = '1000' } = process.env;
const kind = KINDS.find((one) => one === KIND);
if (kind === undefined) throw new Error(`KIND=${KIND} is none of ${KINDS.join(', ')}`);

const server = await startEtcd({ own: true, args: ['--bcrypt-cost=4'] });
const comparison = new Comparison(server);
const seed = askedSeed() % 2 ** 31;
const begun = performance.now();
const cpu = process.cpuUsage();
try {
  await comparison.random(kind, { numRuns: Number(RUNS), seed });
} catch (error) {
  process.exitCode = 1;
  process.stdout.write(`${inspect(error)}\n`);
}
const { user, system } = process.cpuUsage(cpu);
const seconds = ((performance.now() - begun) / 1_000).toFixed(0);
process.stdout.write(
  `${RUNS} programs of ${kind} on etcd ${server.version} in ${seconds} s, ${((user + system) / 1_000_000).toFixed(0)} s of CPU; seed ${seed}\n`,
);
await comparison.close();
await server.stop();
