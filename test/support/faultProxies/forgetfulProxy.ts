import { Lane, startTcpProxy, type Lanes, type TcpProxy } from './tcpProxy.js';

/**
 * A proxy that drops connections silently, as a firewall does: nothing passes on open connections, which are not
 * closed, and new ones work.
 */
export interface ForgetfulProxy {
  readonly proxy: TcpProxy;
  /** From now on nothing passes on the connections that are open. */
  forget(): void;
}

/** Starts a proxy in front of a server, on a separate port. */
export async function startForgetfulProxy(target: string): Promise<ForgetfulProxy> {
  const newLanes = (): Lanes => ({ up: new Lane(() => proxy.cut()), down: new Lane(() => proxy.cut()) });
  let lanes = newLanes();
  const proxy = await startTcpProxy(target, () => Promise.resolve(lanes));
  return {
    proxy,
    forget: () => {
      lanes.up.stall();
      lanes.down.stall();
      lanes = newLanes();
    },
  };
}
