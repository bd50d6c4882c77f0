import { findEtcd } from './find.js';
import { startEtcd } from './server.js';

const usage = `Usage: npx tsx test/support/etcd/cli.ts [--version 3.4] [--prefetch] [-- further flags of etcd]
Starts an etcd, prints its endpoint and stays until Ctrl-C. --prefetch only downloads it.`;

async function main(args: readonly string[]): Promise<void> {
  const split = args.includes('--') ? args.indexOf('--') : args.length;
  const own = args.slice(0, split);
  const at = own.indexOf('--version');
  const version = at < 0 ? undefined : own[at + 1];
  const known = own.every((word, index) => word === '--prefetch' || word === '--version' || (at >= 0 && index === at + 1));
  if (!known || (at >= 0 && version === undefined)) throw new Error(usage);
  if (own.includes('--prefetch')) {
    const source = await findEtcd({ version });
    if (source.kind === 'binary' && source.note !== undefined)
      process.stderr.write(`etcd ${source.version} in place of a newer one: ${source.note}\n`);
    process.stdout.write(`etcd ${source.version} (${source.kind})\n`);
    return;
  }
  const etcdArgs = args.slice(split + 1);
  const server = await startEtcd({ version, ...(etcdArgs.length > 0 ? { args: etcdArgs } : {}) });
  process.stdout.write(`${server.endpoint}\n`);
  process.stderr.write(`etcd ${server.version} (${server.kind}), data in ${server.dataDir ?? 'its own place'}; Ctrl-C ends it\n`);
  // The server alone does not keep this process alive; Ctrl-C needs no handler, as the watchdog ends etcd.
  setInterval(() => undefined, 2 ** 30);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
