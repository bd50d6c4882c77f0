import { firstValueFrom } from 'rxjs';
import { hasReason, type Client } from '../../src/index.js';

/** Revokes all leases of a server. Some may expire at the same time. */
export async function revokeAll({ lease }: Pick<Client, 'lease'>): Promise<void> {
  const { leases } = await firstValueFrom(lease.leases());
  for (const { id } of leases) {
    await firstValueFrom(lease.revoke(id)).catch((error: unknown) => {
      if (!hasReason(error, 'LeaseNotFound')) throw error;
    });
  }
}
