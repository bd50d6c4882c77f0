/** The worker of `reentrant.ts`: a worker thread does not take over the hooks that read TypeScript. */
import { register } from 'tsx/esm/api';

register();
await import('./reentrant.ts');
