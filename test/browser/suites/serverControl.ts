import { startCluster, startEtcd, type ClusterOptions, type EtcdOptions, type EtcdServer } from '../../support/etcd/index.js';
import { startTcpProxy } from '../../support/faultProxies/tcpProxy.js';

/** A request of a page: starts an object (without `id`), calls its method, or reads or sets its property. */
export interface ControlCall {
  readonly id?: number;
  readonly path: readonly string[];
  readonly args?: readonly unknown[];
  readonly set?: unknown;
}

/** A server or proxy that was started for a page, with its constant properties. */
export interface Started {
  readonly id: number;
  readonly constants: Readonly<Record<string, unknown>>;
}

/** Starts servers and proxies for pages, and controls them as the pages request. */
export class ServerControl {
  private readonly started: object[] = [];

  /** Responds to a call of a page with a value for JSON. */
  async answer({ id, path, args, set }: ControlCall): Promise<unknown> {
    if (id === undefined) return this.start(path[0] ?? '', args?.[0]);
    const owner = path.slice(0, -1).reduce<unknown>((object, name) => Reflect.get(object as object, name), this.started[id]) as object;
    const name = path.at(-1) ?? '';
    if (set !== undefined) return void Reflect.set(owner, name, set);
    const found: unknown = Reflect.get(owner, name);
    if (typeof found !== 'function') return found;
    // An argument that was left out is null in JSON.
    return (found as (...values: unknown[]) => unknown).apply(owner, args?.map((value) => value ?? undefined) ?? []);
  }

  /** Ends all that pages have left behind. */
  async close(): Promise<void> {
    for (const thing of this.started.splice(0) as { stop?(): Promise<void>; close?(): Promise<void> }[])
      await (thing.stop ?? thing.close)?.();
  }

  private async start(name: string, argument: unknown): Promise<readonly Started[]> {
    switch (name) {
      case 'startEtcd':
        return [this.keep(await startEtcd(forPages(argument)), SERVER)];
      case 'startCluster':
        return (await startCluster(forPages(argument))).members.map((member) => this.keep(member, SERVER));
      case 'startTcpProxy':
        return [this.keep(await startTcpProxy(String(argument)), ['endpoint'])];
      default:
        throw new Error(`nothing to start: ${name}`);
    }
  }

  private keep(thing: object, constants: readonly string[]): Started {
    return {
      id: this.started.push(thing) - 1,
      constants: Object.fromEntries(constants.map((name) => [name, Reflect.get(thing, name) as unknown])),
    };
  }
}

const SERVER: readonly (keyof EtcdServer)[] = ['kind', 'endpoint', 'peerUrl', 'version', 'name', 'dataDir', 'pid', 'clientTls'];

/** The options of a server that accepts pages of other origins. */
function forPages(options: unknown): EtcdOptions & ClusterOptions {
  const given = options as EtcdOptions & ClusterOptions;
  return { ...given, own: true, args: ['--cors=*', ...(given.args ?? [])] };
}
