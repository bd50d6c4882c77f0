import { NEVER } from 'rxjs';
import type { Activity } from '../../../src/transport/endpoints/activity.js';

/** The activity of a client that does nothing but watch. */
export const idleActivity: Activity = { inUse: () => false, changes: NEVER };
