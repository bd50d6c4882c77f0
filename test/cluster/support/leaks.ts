/** Makes the given number of calls under rolling restarts, and prints what they left behind, as a line of JSON. */
import { growth } from '../../support/workload/leaks.js';

const calls = Number(process.argv[2] ?? 50_000);

growth({ calls, onMeasured: (now) => process.stderr.write(`${JSON.stringify(now)}\n`) }).then(
  (grown) => process.stdout.write(`${JSON.stringify(grown)}\n`),
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exitCode = 1;
  },
);
