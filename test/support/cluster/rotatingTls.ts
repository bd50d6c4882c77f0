import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClientTls } from '../etcd/index.js';
import { startWatchdog } from '../etcd/watchdog.js';
import { CLIENT, makeAuthority, SERVER, type Authority, type Identity } from '../tls.js';

/** Certificates of a cluster that are replaced while it runs. */
export interface RotatingTls {
  /**
   * The files of the members. They read the certificates again for each connection, and the authorities only when they
   * start.
   */
  readonly server: ClientTls;
  /**
   * The certificate of a client, and both authorities, in PEM: a client that trusts both is never excluded by a
   * rotation.
   */
  readonly client: { readonly ca: string; readonly cert: string; readonly key: string };
  /** Signs the certificates of the servers by the other authority. */
  rotate(): Promise<void>;
  remove(): Promise<void>;
}

export async function makeRotatingTls(): Promise<RotatingTls> {
  const folder = await mkdtemp(join(tmpdir(), 'rxetcd-tls-'));
  const watchdog = startWatchdog(folder);
  const remove = async (): Promise<void> => {
    watchdog.release();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const [first, second] = await Promise.all([makeAuthority(folder, 'first'), makeAuthority(folder, 'second')]);
    const server = { certFile: join(folder, 'server.pem'), keyFile: join(folder, 'server.key'), caFile: join(folder, 'both.pem') };
    const ca = first.ca + second.ca;
    await writeFile(server.caFile, ca);
    let generation = 0;
    const place = async (authority: Authority): Promise<void> => {
      const issued: Identity = await authority.issue(`server-${++generation}`, SERVER);
      await copyFile(issued.keyFile, server.keyFile);
      await copyFile(issued.certFile, server.certFile);
    };
    await place(first);
    // Without a common name: with auth on, etcd's gateway refuses a certificate that has one.
    const { cert, key } = await first.issue('client', CLIENT, '/O=rxetcd');
    return { server, client: { ca, cert, key }, rotate: () => place(generation % 2 === 1 ? second : first), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
