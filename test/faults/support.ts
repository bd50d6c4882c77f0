import { firstValueFrom } from 'rxjs';
import { createClient, type Client, type ClientOptions } from '../../src/index.js';

export { expectSilentAbout, rejection } from '../unit/transport/support.js';

/**
 * Flags of a server to which many clients log in: otherwise a login takes a second on a busy machine. 3.3 has no such
 * flag, so it gets none.
 */
export const QUICK_LOGIN: readonly string[] = ['--bcrypt-cost=4'];

/** Clients of a test, which are closed together at its end. */
export class Clients {
  private readonly all: Client[] = [];

  make(options: ClientOptions): Client {
    const client = createClient(options);
    this.all.push(client);
    return client;
  }

  async close(): Promise<void> {
    await Promise.all(this.all.splice(0).map((client) => client.close()));
  }
}

/** Returns how often a key was written since it was created; 0 if it does not exist. */
export async function versionOf(client: Client, key: string): Promise<number> {
  return (await firstValueFrom(client.kv.get(key)))?.version ?? 0;
}
