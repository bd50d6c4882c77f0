/** `test/support/etcd` and `startTcpProxy` in a page: servers and proxies run outside of it, and are controlled over HTTP. */
import type { ClusterOptions, EtcdCluster } from '../../support/etcd/cluster.js';
import type { EtcdOptions, EtcdServer } from '../../support/etcd/types.js';
import type { TcpProxy } from '../../support/faultProxies/types.js';
import type { ControlCall, Started } from './serverControl.js';

declare class XMLHttpRequest {
  readonly status: number;
  readonly responseText: string;
  open(method: string, url: string, isAsync: boolean): void;
  send(body: string): void;
}

export async function startEtcd(options: EtcdOptions = {}): Promise<EtcdServer> {
  return remote(await onlyStarted('startEtcd', options), SERVER) as EtcdServer;
}

export async function startCluster(options: ClusterOptions = {}): Promise<EtcdCluster> {
  const members = (await start('startCluster', options)).map((member) => remote(member, SERVER) as EtcdServer);
  return {
    members,
    endpoints: members.map(({ endpoint }) => endpoint),
    version: members[0]?.version ?? '',
    stop: async () => void (await Promise.all(members.map((member) => member.stop()))),
  };
}

export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const started = await onlyStarted('startTcpProxy', target);
  const lane = (name: 'up' | 'down') => remote(started, LANE, [name]) as TcpProxy['up'];
  return Object.assign(remote(started, PROXY) as TcpProxy, { up: lane('up'), down: lane('down') });
}

/** The methods of an object: those that return a promise, and those that return when they have taken effect. */
interface Methods {
  readonly later: readonly string[];
  readonly now: readonly string[];
}

const SERVER: Methods = { later: ['stop', 'kill', 'restart', 'pause', 'resume'], now: ['output'] };
const PROXY: Methods = { later: ['refuse', 'accept', 'close'], now: ['cut'] };
const LANE: Methods = { later: [], now: ['cutAfter', 'stall', 'resume'] };

/** Creates a proxy for an object outside of the page. Other properties are requested each time. */
function remote({ id, constants }: Started, { later, now }: Methods, path: readonly string[] = []): object {
  const to = (name: string): ControlCall => ({ id, path: [...path, name] });
  return new Proxy<Record<string, unknown>>(path.length === 0 ? { ...constants } : {}, {
    get: (known, name: string) => {
      if (name in known || name === 'then') return known[name];
      if (later.includes(name)) return (...args: unknown[]) => call({ ...to(name), args });
      if (now.includes(name)) return (...args: unknown[]) => callNow({ ...to(name), args });
      return callNow(to(name));
    },
    set: (known, name: string, value: unknown) => {
      if (typeof value === 'object') known[name] = value;
      else callNow({ ...to(name), set: value });
      return true;
    },
  });
}

const start = async (name: string, argument: unknown) => (await call({ path: [name], args: [argument] })) as readonly Started[];

async function onlyStarted(name: string, argument: unknown): Promise<Started> {
  const [started] = await start(name, argument);
  if (started === undefined) throw new Error(`${name} started nothing`);
  return started;
}

async function call(named: ControlCall): Promise<unknown> {
  const response = await fetch('/control', { method: 'POST', body: JSON.stringify(named) });
  return resultOf(response.status, await response.text());
}

/** Waits for the response synchronously: nothing else in the page runs. */
function callNow(named: ControlCall): unknown {
  const request = new XMLHttpRequest();
  request.open('POST', '/control', false);
  request.send(JSON.stringify(named));
  return resultOf(request.status, request.responseText);
}

function resultOf(status: number, text: string): unknown {
  if (status !== 200) throw new Error(text);
  return text === '' ? undefined : JSON.parse(text);
}

/** Other methods do not exist: `NOT_IN_A_PAGE` lists the tests that need them. */
const outside = (name: string) => (): never => {
  throw new Error(`${name} is not there in a page`);
};
export const etcdctl = outside('etcdctl');
export const findTools = outside('findTools');
export const freePorts = outside('freePorts');
export const run = outside('run');
export const startInterceptingProxy = outside('startInterceptingProxy');
export const once = outside('once');
