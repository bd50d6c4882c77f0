import type { StoreOptions } from '../../../src/testing/store/index.js';

/** The options of the store that flags set, and the interval of progress notifications. */
type Flags = Omit<StoreOptions, 'now' | 'version' | 'members'> & { readonly progressMs?: number };

/** Flags of etcd, and the options of the store in memory that do the same. */
const FLAGS: Readonly<Record<string, (value: string) => Flags>> = {
  '--quota-backend-bytes': (value) => ({ quotaBytes: Number(value) }),
  '--max-txn-ops': (value) => ({ maxTxnOps: Number(value) }),
  '--max-request-bytes': (value) => ({ maxRequestBytes: Number(value) }),
  '--auth-token': (value) => ({ jwt: value.startsWith('jwt') }),
  '--experimental-watch-progress-notify-interval': (value) => ({
    progressMs: value.endsWith('ms') ? parseFloat(value) : parseFloat(value) * 1_000,
  }),
  '--strict-reconfig-check': () => ({}),
  // Calls take no time here, so flags that make them faster have no effect.
  '--bcrypt-cost': () => ({}),
  '--heartbeat-interval': () => ({}),
  '--election-timeout': () => ({}),
};

/** Reads the flags of a process, as `['--max-txn-ops', '150']` or `['--bcrypt-cost=4']`. */
export function readFlags(args: readonly string[]): Flags {
  let options: Flags = {};
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const [name = '', value = rest.shift() ?? ''] = arg.split(/=(.*)/s, 2);
    const read = FLAGS[name];
    if (read === undefined) throw new Error(`the etcd in memory has no flag ${name}`);
    options = { ...options, ...read(value) };
  }
  return options;
}
