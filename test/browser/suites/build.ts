/** Bundles test files for a page into a folder, and prints the titles of their tests: `tsx build.ts FOLDER FILE…`. */
import { build, type Plugin } from 'esbuild';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { PageSuite } from './jestGlobals.js';

const [folder = '', ...files] = process.argv.slice(2);
const here = import.meta.dirname;
const root = resolve(here, '../../..');

/** Modules that are replaced in a page, by the end of their path. */
const IN_A_PAGE: readonly (readonly [path: RegExp, file: string])[] = [
  [/^@jest\/globals$/, 'test/browser/suites/jestGlobals.ts'],
  [/^rxetcd$/, 'src/index.browser.ts'],
  [/^rxetcd\/operators$/, 'operators/index.ts'],
  [/support\/etcd\/index\.js$/, 'test/browser/suites/pageServers.ts'],
  [/\/tcpProxy\.js$/, 'test/browser/suites/pageServers.ts'],
  [/\/interceptingProxy\.js$/, 'test/browser/suites/pageServers.ts'],
  [/^node:timers\/promises$/, 'test/browser/suites/pageTimers.ts'],
  // `expect` needs only a few functions of these modules, which use files and processes.
  [/^jest-(util|message-util|mock)$/, 'test/browser/suites/expectParts.ts'],
];

const pageModules: Plugin = {
  name: 'page-modules',
  setup: ({ onResolve }) => {
    for (const [filter, file] of IN_A_PAGE) onResolve({ filter }, () => ({ path: join(root, file) }));
  },
};

await build({
  entryPoints: Object.fromEntries(files.map((name) => [name, join(root, `test/integration/${name}.test.ts`)])),
  ...{
    bundle: true,
    splitting: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    outdir: folder,
    outExtension: { '.js': '.mjs' },
  },
  ...{ tsconfigRaw: '{}', logLevel: 'error', plugins: [pageModules] },
  define: { 'process.env': '{}', 'process.pid': '1' },
});

// Each file adds its tests to those of the files before it.
const titles: Record<string, readonly string[]> = {};
let before = 0;
for (const name of files) {
  await import(pathToFileURL(join(folder, `${name}.mjs`)).href);
  const all = (globalThis as unknown as { suite: PageSuite }).suite.titles();
  titles[name] = all.slice(before);
  before = all.length;
}
process.stdout.write(JSON.stringify(titles));
