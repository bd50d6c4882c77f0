/** The long form of the runs in virtual time: `npm run virtual`, with `KIND=watch`, `locks` or `cache`, `RUNS=10000` and `SEED=…`. */
import { runAll } from './support/runs.js';
import { cacheRun } from './support/cacheRun.js';
import { lockRun } from './support/lockRun.js';
import { watchRun } from './support/watchRun.js';

const KINDS: Readonly<Record<string, (seed: number) => unknown>> = { watch: watchRun, locks: lockRun, cache: cacheRun };

const { KIND = 'watch', RUNS = '1000' } = process.env;
const run = KINDS[KIND];
if (run === undefined) throw new Error(`KIND=${KIND} is none of ${Object.keys(KINDS).join(', ')}`);

const begun = performance.now();
const cpu = process.cpuUsage();
const { failures } = await runAll(KIND, Number(RUNS), run, (text) => process.stdout.write(`${text}\n`));
const { user, system } = process.cpuUsage(cpu);
const seconds = (performance.now() - begun) / 1_000;
process.stdout.write(
  `${RUNS} runs of ${KIND} in ${seconds.toFixed(0)} s, ${((user + system) / 1_000_000).toFixed(0)} s of CPU; ${failures.length} failed\n`,
);
process.exit(failures.length > 0 ? 1 : 0);
