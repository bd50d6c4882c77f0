import { createClient } from 'rxetcd';
import { registration } from './registration.js';

/**
 * A service in a separate process: registers itself, and stays until it is killed. It is started by
 * `service.ts <endpoint> <key> <address> <ttl>`.
 */
const [endpoint = '', key = '', address = '', ttl = ''] = process.argv.slice(2);

registration(createClient({ endpoints: endpoint }), key, address, Number(ttl)).subscribe({
  next: (report) => process.send?.(report),
  error: (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
});

// The demo has ended for any reason, so the service ends too.
process.once('disconnect', () => process.exit());
