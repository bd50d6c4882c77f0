import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { projectRoot } from '../support/etcd/project.js';

const run = promisify(execFile);
const root = projectRoot();
/** The layout of the package for Node. */
const compiled = join(root, '.cache', 'bench-cjs');
const entry = join(compiled, 'src', 'index.js');

export type ModuleFormat = 'esm' | 'cjs';

/** The cost of a program in a separate process. */
export interface Alone {
  readonly ms: number;
  readonly cpuMs: number;
  readonly MiB: number;
  /** The number of loaded files of undici. */
  readonly undiciFiles: number;
}

/** Writes the package as Node loads it, for `runAlone`. */
export const bundlePackage = (): Promise<unknown> => run(process.execPath, [join('.ci', 'bundle.mjs'), 'node', compiled], { cwd: root });

/** Runs a program that ends by `done()`; it finds the package in `RXETCD` and a server in `ENDPOINT`. Its work before `done()` is measured. */
export async function runAlone(work: string, format: ModuleFormat, endpoint: string): Promise<Alone> {
  const type = format === 'esm' ? 'module' : 'commonjs';
  const env = { ...process.env, RXETCD: format === 'esm' ? pathToFileURL(entry).href : entry, ENDPOINT: endpoint };
  const { stdout } = await run(process.execPath, ['--expose-gc', `--input-type=${type}`, '--eval', program(work)], { cwd: root, env });
  return JSON.parse(stdout) as Alone;
}

const program = (work: string): string => `
  const { RXETCD, ENDPOINT } = process.env;
  gc();
  const heap = process.memoryUsage().heapUsed;
  const before = process.cpuUsage();
  const start = performance.now();
  const done = () => {
    const ms = performance.now() - start;
    const { user, system } = process.cpuUsage(before);
    gc();
    const MiB = (process.memoryUsage().heapUsed - heap) / 2 ** 20;
    const files = Object.keys(process.getBuiltinModule('node:module').createRequire(process.cwd() + '/').cache);
    const undiciFiles = files.filter((file) => /node_modules.undici./.test(file)).length;
    console.log(JSON.stringify({ ms, cpuMs: (user + system) / 1000, MiB, undiciFiles }));
    process.exit();
  };
  ${work}`;

/** Reads one key; the loading of the package counts. */
export const FIRST_GET = {
  esm: {
    ours: `
    const [{ createClient }, { firstValueFrom }] = await Promise.all([import(RXETCD), import('rxjs')]);
    await firstValueFrom(createClient({ endpoints: ENDPOINT }).kv.get('bench/nothing'));
    done();`,
    peer: `
    const { Etcd3 } = await import('etcd3');
    await new Etcd3({ hosts: ENDPOINT }).get('bench/nothing').exec();
    done();`,
    floor: `
    const { Pool } = await import('undici');
    const response = await new Pool(ENDPOINT).request({ method: 'POST', path: '/v3/kv/range', body: JSON.stringify({ key: btoa('bench/nothing') }) });
    await response.body.json();
    done();`,
  },
  cjs: {
    ours: `
    const { createClient } = require(RXETCD);
    const { firstValueFrom } = require('rxjs');
    firstValueFrom(createClient({ endpoints: ENDPOINT }).kv.get('bench/nothing')).then(done);`,
    peer: `
    const { Etcd3 } = require('etcd3');
    new Etcd3({ hosts: ENDPOINT }).get('bench/nothing').exec().then(done);`,
  },
} as const;
