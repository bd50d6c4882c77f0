/** The worker of `reentrant.ts`: a worker thread does not inherit the hooks that load TypeScript. */
import { register } from 'tsx/esm/api';

register();
await import('./reentrant.ts');
