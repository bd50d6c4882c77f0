/** Runs the first example of README.md in the folder that is its argument, where the packed package is installed: `config.mjs`, as a reader saves it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { blocksOf, transcriptOf } from '../support/docs/blocks.js';
import { runProgram } from '../support/docs/program.js';
import { startEtcd } from '../support/etcd/index.js';

const [headline] = blocksOf('README.md');
const transcript = transcriptOf(headline?.code ?? '') ?? [];
const cwd = join(process.argv[2] ?? '', 'headline');
mkdirSync(cwd);

const server = await startEtcd({ own: true });
try {
  writeFileSync(join(cwd, 'config.mjs'), headline?.code.replace('http://127.0.0.1:2379', server.endpoint) ?? '');
  const { shown, afterAuth, stderr, exitCode } = await runProgram({ server, args: ['config.mjs'], cwd, transcript });
  const asWritten = transcript.length > 0 && shown.join('\n') === transcript.join('\n');
  if (asWritten && afterAuth.at(-1) === 'failed: grey, 1000 ms' && stderr === '' && exitCode === 0) console.log('ok');
  else console.log(JSON.stringify({ shown, afterAuth, stderr, exitCode }));
} finally {
  await server.stop();
}
