/** Downloads the proxies that tests use, where the machine has none. Prints where they are, or why there are none. */
import { findProxy, KINDS, proxiesRefused } from './find.js';

const refused = proxiesRefused();
if (refused !== undefined) process.stdout.write(`no nginx and HAProxy: ${refused}\n`);
else
  for (const kind of KINDS) {
    const { libraries } = await findProxy(kind);
    process.stdout.write(`${kind} (${libraries === undefined ? 'installed' : 'downloaded'})\n`);
  }
