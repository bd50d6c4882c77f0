import { firstValueFrom } from 'rxjs';
import { createClient, type Client, type ClientOptions } from '../../src/index.js';

export { expectSilentAbout, rejection } from '../unit/transport/support.js';

/** Flags of a server that many clients log in to: a login takes a busy machine a second otherwise. 3.3 has no such flag, and is not given it. */
export const QUICK_LOGIN: readonly string[] = ['--bcrypt-cost=4'];

/** Clients that a test makes, closed together at its end. */
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

/** How often a key was written since it was created; 0 where there is none. */
export async function versionOf(client: Client, key: string): Promise<number> {
  return (await firstValueFrom(client.kv.get(key)))?.version ?? 0;
}
