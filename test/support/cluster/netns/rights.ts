import { spawnSync, type SpawnSyncOptions } from 'node:child_process';

/** The user that runs the trial; by default the current one. */
export type As = Pick<SpawnSyncOptions, 'uid' | 'gid' | 'env'>;

/** Creates the parts of a network on a small scale: namespaces, with links between them and from here, and a bridge. */
const TRIAL = `
unshare --net sh -c 'ip link add name rxtry type bridge && ip link add name rxtry1 type veth peer name rxtry2 && ip link set dev rxtry1 master rxtry up' &&
ip link add name "rxt$$" type veth peer name "rxu$$" && ip link del dev "rxt$$"`;

/** A trial of `netem` within a namespace, which changes nothing outside. */
const NETEM_TRIAL = `unshare --net sh -c 'ip link add name rxtry1 type veth peer name rxtry2 && tc qdisc add dev rxtry1 root netem delay 1ms'`;

/** Returns why network namespaces cannot be created here; undefined if they can. */
export function namespacesRefused(as: As = {}): string | undefined {
  if (process.platform !== 'linux') return `network namespaces are Linux's, and this is ${process.platform}`;
  return missing(['ip', 'unshare', 'nsenter'], as) ?? failure(TRIAL, as);
}

/** Returns why packets cannot be delayed or dropped at random, if namespaces are available; undefined if they can. */
export function netemRefused(as: As = {}): string | undefined {
  return missing(['tc'], as) ?? failure(NETEM_TRIAL, as);
}

function missing(programs: readonly string[], as: As): string | undefined {
  const lacking = programs.filter((program) => shell(`command -v ${program}`, as).status !== 0);
  return lacking.length === 0 ? undefined : `not on PATH: ${lacking.join(', ')} (packages iproute2, util-linux)`;
}

function failure(script: string, as: As): string | undefined {
  const { status, stderr } = shell(script, as);
  return status === 0 ? undefined : `it was tried, and failed with ${status}: ${stderr.trim()}`;
}

const shell = (script: string, as: As) => spawnSync('/bin/sh', ['-c', script], { encoding: 'utf8', timeout: 5_000, ...as });
