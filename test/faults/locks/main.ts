/** The long form of the chaos for locks: `npm run chaos`, with `SECONDS=60` and `SEED=…`. */
import { askedSeed } from '../../support/random.js';
import { lockChaos } from '../../support/chaos/run.js';

const seconds = Number(process.env['SECONDS'] ?? 60);

lockChaos({ seed: askedSeed(), seconds, losses: seconds / 6, print: (line) => process.stdout.write(`${line}\n`) }).then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
  },
);
