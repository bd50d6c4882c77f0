/**
 * Packs the package, puts the tarball where a user's program finds it, and checks that the program compiles and runs:
 * as ESM and as CommonJS, and compiles as older settings of TypeScript would have it. Run by `npm run check:package`.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const { resolve } = createRequire(import.meta.url);
const tsc = resolve('typescript/bin/tsc');
const problems = [];
/**
 * The maximum size of what a page loads before it calls a client, and of all that it loads, without RxJS: kilobytes of
 * gzip.
 */
const MOST_KB = 60;
const MOST_KB_IN_ALL = 127.5;
/**
 * The maximum size that a single operator adds to a page, in bytes of gzip. An operator that checks its arguments
 * includes the errors, and `foldEvents` includes the maps.
 */
const MOST_BYTES = { puts: 1_000, deletes: 1_000, foldEvents: 24_000 };
const MOST_BYTES_OF_OTHERS = 7_000;
const check = (ok, problem) => ok || problems.push(problem);

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'rxetcd-package-')));
try {
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--silent', '--ignore-scripts', '--pack-destination', folder], { cwd: root }),
  );
  checkContents(packed);
  install(packed);
  compileAndRun('ESM', { type: 'module' }, { module: 'NodeNext', moduleResolution: 'NodeNext' });
  compileAndRun('CommonJS', { type: 'commonjs' }, { module: 'Node16', moduleResolution: 'Node16' });
  checkProgram('headline.ts', 'the first example of README.md runs in an empty folder, with a real etcd');
  checkProgram('testing.ts', 'the tests of docs/testing.md pass in an empty folder, and rxetcd dev starts');
  for (const entry of ['src', 'operators', 'src/testing', 'src/swagger']) await checkCopies(entry);
  checkOneCopy();
  checkBareGlobals();
  checkLoaded();
  checkUndici();
  await checkAdded('testing', 25_000);
  await checkAdded('angular', 3_000);
  checkAngular();
  await checkAdded('swagger', 6_000);
  const [nodeNext, bundler] = [
    { layout: 'npm', module: 'NodeNext', moduleResolution: 'NodeNext' },
    { layout: 'pnpm', module: 'ESNext', moduleResolution: 'Bundler' },
  ];
  for (const [name, compiler] of Object.entries({ newest: tsc, oldest: oldestTypeScript() })) {
    declare(`${name} TypeScript, NodeNext, npm`, { compiler, ...nodeNext });
    declare(`${name} TypeScript, Bundler, pnpm`, { compiler, ...bundler });
  }
  await bundleAndRun('an ES module bundle with undici outside', { format: 'esm', external: ['undici'] });
  const banner = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";
  await bundleAndRun('an ES module bundle that brings a require', { format: 'esm', banner: { js: banner } });
  await bundleAndRun('a CommonJS bundle', { format: 'cjs' });
  await checkBrowserBundle();
  await checkOperators();
  checkJsdom();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
for (const problem of problems) console.error(`✗ ${problem}`);
process.exit(problems.length > 0 ? 1 : 0);

function checkContents({ files, size, unpackedSize }) {
  const paths = files.map(({ path }) => path);
  for (const path of ['package.json', 'LICENSE', 'README.md']) check(paths.includes(path), `the package has no ${path}`);
  const known =
    /^(package\.json|LICENSE|README\.md|CHANGELOG\.md|docs\/.+|dist\/(cjs|browser)\/package\.json|dist\/(cjs|browser)\/chunks\/[\w-]+\.js|dist\/browser\/(src|operators|src\/testing|src\/angular|src\/swagger)\/index\.js|dist\/(esm|cjs)\/(src|operators)\/.+\.(js|d\.ts))$/;
  for (const path of paths) check(known.test(path), `${path} has no place in the package`);
  console.log(`${paths.length} files, ${Math.round(size / 1024)} kB packed, ${Math.round(unpackedSize / 1024)} kB unpacked`);
}

/** The tarball itself, and beside it the packages that npm would install with it. */
function install({ filename }) {
  const modules = join(folder, 'node_modules');
  mkdirSync(modules, { recursive: true });
  execFileSync('tar', ['-xzf', join(folder, filename), '-C', modules]);
  cpSync(join(modules, 'package'), join(modules, manifest.name), { recursive: true });
  rmSync(join(modules, 'package'), { recursive: true });
  for (const name of [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies), '@types', 'undici-types']) {
    linkInto(modules, name);
  }
}

/** Links one of our packages. A scoped package is in the folder of its scope. */
function linkInto(modules, name) {
  mkdirSync(dirname(join(modules, name)), { recursive: true });
  symlinkSync(join(root, 'node_modules', name), join(modules, name), 'junction');
}

/** Runs a program of this folder in the empty folder with the packed package. */
function checkProgram(file, what) {
  const args = ['--import', 'tsx', join(here, file), folder];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', timeout: 240_000 });
  const ok = stdout === 'ok\n';
  check(ok, `${what}: received ${stdout}${stderr}`);
  if (ok) console.log(`✓ ${what}`);
}

/** Node loads the CommonJS copy for every importer. The copy for bundlers must have the same exports, and load. */
async function checkCopies(entry) {
  const namesIn = async (copy) => {
    const file = join(folder, 'node_modules', manifest.name, 'dist', copy, entry, 'index.js');
    // The names that Node adds to the exports of a CommonJS module.
    const added = ['default', 'module.exports', '__esModule'];
    const names = Object.keys(await import(pathToFileURL(file).href)).filter((name) => !added.includes(name));
    return names.sort().join(' ');
  };
  const [esm, cjs] = [await namesIn('esm'), await namesIn('cjs')];
  check(esm === cjs, `${entry}: the ESM copy exports ${esm}, the CommonJS copy ${cjs}`);
  if (esm === cjs) console.log(`✓ ${entry}: both copies load, and export the same`);
}

/** A program may import the package in one place and require it in another. */
function checkOneCopy() {
  const program = `
    const require = process.getBuiltinModule('node:module').createRequire(process.cwd() + '/');
    for (const entry of ['${manifest.name}', '${manifest.name}/operators', '${manifest.name}/testing']) {
      const [imported, required] = [await import(entry), require(entry)];
      for (const name of Object.keys(required)) if (imported[name] !== required[name]) console.log(entry, name);
    }`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { cwd: folder, encoding: 'utf8' });
  check(stdout + stderr === '', `what is imported is not what is required:\n${stdout}${stderr}`);
  if (stdout + stderr === '') console.log('✓ what is imported is what is required');
}

function compileAndRun(title, packageJson, compilerOptions) {
  const project = join(folder, title.replaceAll(/\W+/g, '-'));
  mkdirSync(project);
  cpSync(join(here, 'consumer.ts'), join(project, 'consumer.ts'));
  writeFileSync(join(project, 'package.json'), JSON.stringify(packageJson));
  // skipLibCheck is off, so our declarations are compiled as well: they must be valid with a user's settings.
  const common = { target: 'ES2022', strict: true, skipLibCheck: false, types: ['node'], outDir: 'out', rootDir: '.' };
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...common, ...compilerOptions }, files: ['consumer.ts'] }),
  );
  const compiled = spawnSync(process.execPath, [tsc], { cwd: project, encoding: 'utf8' });
  if (compiled.status !== 0) {
    check(false, `${title}: does not compile\n${compiled.stdout}`);
    return;
  }
  // The process must exit without a signal after close().
  const ran = spawnSync(process.execPath, ['out/consumer.js'], { cwd: project, encoding: 'utf8', timeout: 60_000 });
  const ok = ran.status === 0 && ran.stdout === 'ok\n';
  check(ok, `${title}: ends with ${ran.signal ?? `exit code ${ran.status}`}, says ${JSON.stringify(ran.stdout)}\n${ran.stderr}`);
  if (ok) console.log(`✓ ${title}: compiles, runs and ends`);
}

/**
 * The oldest compiler that docs/runtimes.md names. It is not a package of ours: its `tsc` would hide that of the newest
 * one.
 */
function oldestTypeScript() {
  const [, version] = /oldest version .* is \*\*(\d+\.\d+)\*\*/.exec(readFileSync(join(root, 'docs/runtimes.md'), 'utf8'));
  const cache = join(root, '.cache', `typescript-${version}`);
  const compiler = join(cache, 'package/bin/tsc');
  if (existsSync(compiler)) return compiler;
  mkdirSync(cache, { recursive: true });
  const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--silent', `typescript@~${version}.0`], { cwd: cache }));
  execFileSync('tar', ['-xzf', filename], { cwd: cache });
  return compiler;
}

/** A library built on ours: the compiler has to be able to write its declarations, with the newest TypeScript and the oldest that we support. */
function declare(title, { compiler, layout, module, moduleResolution }) {
  const project = join(layout === 'pnpm' ? pnpmLayout() : folder, `declare-${title}`.replaceAll(/\W+/g, '-'));
  mkdirSync(project);
  cpSync(join(here, 'declarations.ts'), join(project, 'declarations.ts'));
  writeFileSync(join(project, 'package.json'), '{"type":"module"}');
  const compilerOptions = {
    target: 'ES2022',
    strict: true,
    skipLibCheck: false,
    declaration: true,
    types: [],
    outDir: 'out',
    rootDir: '.',
  };
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...compilerOptions, module, moduleResolution }, files: ['declarations.ts'] }),
  );
  const compiled = spawnSync(process.execPath, [compiler], { cwd: project, encoding: 'utf8' });
  check(compiled.status === 0, `${title}: declarations of a library built on rxetcd\n${compiled.stdout}`);
  if (compiled.status === 0) console.log(`✓ ${title}: a library built on it gets its declarations`);
}

/** With pnpm's layout a package sees only its own dependencies, through links. */
function pnpmLayout() {
  const top = join(folder, 'pnpm');
  if (existsSync(top)) return top;
  const store = join(top, 'node_modules', '.pnpm');
  const place = (name, source, dependencies) => {
    const modules = join(store, name.replaceAll('/', '+'), 'node_modules');
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    cpSync(source, join(modules, name), { recursive: true });
    for (const each of dependencies) symlinkSync(join(store, each, 'node_modules', each), join(modules, each), 'junction');
    return join(modules, name);
  };
  // Without undici: no declaration may need its types, as an app for browsers has no types of Node for them.
  const needs = { 'fp-ts': [], 'io-ts': ['fp-ts'], immutable: [], rxjs: ['tslib'], tslib: [] };
  for (const [name, dependencies] of Object.entries(needs)) place(name, join(root, 'node_modules', name), dependencies);
  const ours = place(manifest.name, join(folder, 'node_modules', manifest.name), ['fp-ts', 'immutable', 'io-ts', 'rxjs']);
  for (const name of ['rxjs', 'io-ts']) symlinkSync(join(store, name, 'node_modules', name), join(top, 'node_modules', name), 'junction');
  symlinkSync(ours, join(top, 'node_modules', manifest.name), 'junction');
  return top;
}

/**
 * Loading the package loads neither undici nor the immutable maps. They take a third of the time and the memory, and
 * many programs never use them.
 */
function checkLoaded() {
  const program = `
    require('${manifest.name}');
    const later = Object.keys(require.cache).filter((file) => /node_modules.(undici|immutable)./.test(file));
    console.log(later.join() || 'nothing');`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--eval', program], { cwd: folder, encoding: 'utf8' });
  check(stdout === 'nothing\n', `loading the package loads what is used later: ${stdout}${stderr}`);
  if (stdout === 'nothing\n') console.log('✓ loading the package loads neither undici nor immutable');
}

/**
 * The CommonJS copy loads only the used part of the undici with which it was tested. Any other undici is loaded by its
 * index, and works as well.
 */
function checkUndici() {
  const { version } = JSON.parse(readFileSync(join(root, 'node_modules/undici/package.json'), 'utf8'));
  const index = `module.exports = require(${JSON.stringify(join(root, 'node_modules/undici'))});`;
  const PARTS = ['lib/dispatcher/client.js', 'lib/dispatcher/pool.js', 'lib/core/connect.js', 'lib/core/errors.js'];
  const parts = Object.fromEntries(PARTS.map((part) => [part, 'module.exports = {};']));
  const other = { name: 'undici', main: 'index.js' };
  callWith('the undici of this release', undefined, 'parts');
  callWith('a newer undici', { ...parts, 'index.js': index, 'package.json': JSON.stringify({ ...other, version: '7.999.0' }) }, 'index');
  callWith('an undici with other parts', { ...parts, 'index.js': index, 'package.json': JSON.stringify({ ...other, version }) }, 'index');
  const exports = { '.': './index.js' };
  callWith(
    'an undici that hides its files',
    { 'index.js': index, 'package.json': JSON.stringify({ ...other, version, exports }) },
    'index',
  );
}

/** Calls a server that fails, and checks which files of undici were loaded. `files` are those of another undici. */
function callWith(title, files, expected) {
  const project = join(folder, `undici-${title.replaceAll(/\W+/g, '-')}`);
  const modules = join(project, 'node_modules');
  cpSync(join(folder, 'node_modules', manifest.name), join(modules, manifest.name), { recursive: true });
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) {
    if (name !== 'undici' || files === undefined) linkInto(modules, name);
  }
  for (const [name, text] of Object.entries(files ?? {})) {
    const path = join(modules, 'undici', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  const program = `
    const { createClient } = require('${manifest.name}');
    const { createServer } = require('node:http');
    let requests = 0;
    const server = createServer((_, response) => (requests++, response.writeHead(500).end()));
    server.listen(0, '127.0.0.1', () => {
      const etcd = createClient({ endpoints: 'http://127.0.0.1:' + server.address().port, retry: false });
      const ended = () => {
        const loaded = Object.keys(require.cache).filter((file) => /undici.(index|lib.mock.mock-agent)\\.js$/.test(file));
        console.log(requests > 0 ? 'requests' : 'no request', loaded.length === 0 ? 'parts' : 'index');
        void etcd.close().then(() => server.close());
      };
      etcd.kv.get('key').subscribe({ error: ended });
    });`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--eval', program], { cwd: project, encoding: 'utf8', timeout: 60_000 });
  const ok = stdout === `requests ${expected}\n`;
  check(ok, `with ${title}: expected requests by its ${expected}, received ${JSON.stringify(stdout)}\n${stderr}`);
  if (ok) console.log(`✓ with ${title}, a call loads its ${expected}`);
}

/** The same program as one file. An ES module has no `require`, which undici needs: it stays outside, or the bundle brings a `require`. */
async function bundleAndRun(title, options) {
  const outfile = join(folder, `bundle-${title.replaceAll(/\W+/g, '-')}.${options.format === 'cjs' ? 'cjs' : 'mjs'}`);
  const common = { entryPoints: [join(here, 'consumer.ts')], absWorkingDir: folder, nodePaths: [join(folder, 'node_modules')] };
  await build({ ...common, bundle: true, platform: 'node', outfile, logLevel: 'silent', tsconfigRaw: '{}', ...options });
  const ran = spawnSync(process.execPath, [outfile], { cwd: folder, encoding: 'utf8', timeout: 60_000 });
  const ok = ran.status === 0 && ran.stdout === 'ok\n';
  check(ok, `${title}: ends with ${ran.signal ?? `exit code ${ran.status}`}, says ${JSON.stringify(ran.stdout)}\n${ran.stderr}`);
  if (ok) console.log(`✓ ${title}: runs and ends`);
}

/** Pages, and tests of pages, load these entry points. */
async function checkAdded(entry, most) {
  const sizeOf = async (...entries) => {
    const contents = entries.map((each) => `export * from './${each}/index.js';`).join('');
    const resolveDir = join(folder, 'node_modules', manifest.name, 'dist', 'esm');
    const options = { bundle: true, minify: true, format: 'esm', platform: 'node', packages: 'external', write: false };
    const { outputFiles } = await build({ stdin: { contents, resolveDir }, ...options });
    return gzipSync(outputFiles[0].contents).length;
  };
  const bytes = (await sizeOf('src', `src/${entry}`)) - (await sizeOf('src'));
  const ok = bytes <= most;
  check(ok, `rxetcd/${entry} adds ${bytes} bytes (gzip) to a program with a client, at most ${most}`);
  if (ok) console.log(`✓ rxetcd/${entry} adds ${bytes} bytes (gzip) to a program with a client`);
}

/** The client of rxetcd/angular is the one of rxetcd, whatever the conditions: an error of its options shows it. */
function checkAngular() {
  const test = `
    const injector = createEnvironmentInjector([provideEtcd({ endpoints: [] })], null);
    let same = false;
    try { runInInjectionContext(injector, () => injectEtcd()); } catch (error) { same = error instanceof InvalidOptionError; }
    console.log(same);`;
  const names = {
    '@angular/core': 'createEnvironmentInjector, runInInjectionContext',
    [`${manifest.name}/angular`]: 'provideEtcd, injectEtcd',
    [manifest.name]: 'InvalidOptionError',
  };
  const compiler = JSON.stringify(join(root, 'node_modules/@angular/compiler/fesm2022/compiler.mjs'));
  const imports = Object.entries(names).map(([from, wanted]) => `import { ${wanted} } from '${from}';`);
  const requires = Object.entries(names).map(([from, wanted]) => `const { ${wanted} } = require('${from}');`);
  const programs = { import: `import ${compiler};${imports.join('')}${test}`, require: `require(${compiler});${requires.join('')}${test}` };
  for (const [how, program] of Object.entries(programs)) {
    // Angular only has ES modules, which older versions of Node cannot require.
    if (how === 'require' && process.features.require_module !== true) continue;
    for (const conditions of [[], ['--conditions=browser']]) {
      const args = [...conditions, '--no-warnings', `--input-type=${how === 'import' ? 'module' : 'commonjs'}`, '--eval', program];
      const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
      const title = `${how} ${conditions.join()}`.trim();
      check(stdout === 'true\n', `rxetcd/angular (${title}) has another client than rxetcd: ${stdout}${stderr}`);
      if (stdout === 'true\n') console.log(`✓ rxetcd/angular (${title}) has the client of rxetcd`);
    }
  }
}

/** A page for a browser: the files that a bundler chooses for it, and their size. */
async function checkBrowserBundle() {
  const contents = `import { createClient } from '${manifest.name}'; globalThis.etcd = createClient({ endpoints: '/etcd' });`;
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: folder },
    ...{ absWorkingDir: folder, outdir: join(folder, 'page'), write: false, metafile: true },
    ...{
      bundle: true,
      minify: true,
      splitting: true,
      platform: 'browser',
      format: 'esm',
      external: ['rxjs', 'node:*'],
      logLevel: 'silent',
    },
  });
  const inputs = Object.entries(metafile.inputs);
  const unwanted = [
    ...inputs.flatMap(([, { imports }]) => imports.filter(({ path }) => path.startsWith('node:')).map(({ path }) => path)),
    ...inputs.map(([path]) => path).filter((path) => /\/undici\/|dist\/esm\/src\/node\//.test(path)),
  ];
  check(unwanted.length === 0, `a bundle for browsers has in it: ${unwanted.join(', ')}`);
  const { outputs } = metafile;
  const entry = Object.keys(outputs).find((path) => outputs[path].entryPoint !== undefined && outputs[path].entryPoint.includes('stdin'));
  const first = new Set();
  const follow = (path) => {
    if (first.has(path)) return;
    first.add(path);
    for (const each of outputs[path].imports) if (each.kind === 'import-statement' && !each.external) follow(each.path);
  };
  follow(entry);
  // The names of the parts end with a hash of the folder and the contents, and the size after compression depends on it.
  const unnamed = (text) => text.replaceAll(/-[A-Z\d]{8}\.js/g, '-00000000.js');
  const sizes = outputFiles.map(({ path, text }) => [path, gzipSync(unnamed(text), { level: 9 }).length]);
  const kilobytes = (wanted) => sizes.reduce((sum, [path, bytes]) => sum + (wanted(path) ? bytes : 0), 0) / 1_000;
  const [initial, all] = [kilobytes((path) => first.has(relative(folder, path))), kilobytes(() => true)];
  check(initial <= MOST_KB, `a page with createClient loads ${initial} kB, at most ${MOST_KB} kB are allowed`);
  check(all <= MOST_KB_IN_ALL, `a page with all parts loads ${all} kB, at most ${MOST_KB_IN_ALL} kB are allowed`);
  if (unwanted.length === 0) console.log(`✓ a page loads ${initial} kB of gzip at first, ${all} kB with all, without RxJS`);
}

/** A page gets no more of the operators than it imports. */
async function checkOperators() {
  const names = Object.keys(createRequire(join(folder, 'x.js'))(`${manifest.name}/operators`));
  const sizes = await Promise.all(
    names.map(async (name) => {
      const stdin = { contents: `export { ${name} } from '${manifest.name}/operators';`, resolveDir: folder };
      const options = { bundle: true, minify: true, platform: 'browser', format: 'esm', external: ['rxjs'], write: false };
      const { outputFiles } = await build({ stdin, absWorkingDir: folder, ...options });
      return [name, gzipSync(outputFiles[0].contents, { level: 9 }).length];
    }),
  );
  sizes.sort(([, a], [, b]) => b - a);
  for (const [name, bytes] of sizes) {
    const most = MOST_BYTES[name] ?? MOST_BYTES_OF_OTHERS;
    check(bytes <= most, `the operator ${name} adds ${bytes} bytes (gzip) to a page, at most ${most}`);
  }
  const above = sizes.filter(([, bytes]) => bytes > 1_000).map((each) => each.join(' '));
  console.log(`✓ ${names.length} operators are bundled one by one; above 1 kB (gzip): ${above.join(', ')}`);
}

/** jest's jsdom uses the condition `browser`, and CommonJS. */
function checkJsdom() {
  const program = `
    const { createClient, EtcdError, put } = require('${manifest.name}');
    const { retryBackoff } = require('${manifest.name}/operators');
    const loaded = Object.keys(require.cache).filter((file) => /undici|rxetcd.dist.cjs/.test(file));
    let refused, shared;
    try { createClient({ tls: { ca: 'x' } }); } catch (error) { refused = error.option; }
    try { retryBackoff({ initialMs: -1 }); } catch (error) { shared = error instanceof EtcdError; }
    // The name is checked by a part that is loaded now.
    createClient().lock('').subscribe({ error: ({ reason }) => console.log(refused, shared, loaded.length, reason) });`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--conditions=browser', '--eval', program], { cwd: folder, encoding: 'utf8' });
  const ok = stdout === 'tls true 0 InvalidArgument\n';
  check(ok, `with the condition browser, CommonJS is not the copy for browsers:\n${stdout}${stderr}`);
  if (ok) console.log('✓ with the condition browser, CommonJS is the copy for browsers');
}

/** jest's jsdom lacks these. A test of a component imports the operators there. */
function checkBareGlobals() {
  const missing = ['TextEncoder', 'TextDecoder', 'setImmediate', 'fetch', 'structuredClone', 'AbortSignal', 'performance'];
  const program = `
    for (const name of ${JSON.stringify(missing)}) delete globalThis[name];
    const { puts } = require('${manifest.name}/operators');
    const { key, createClient } = require('${manifest.name}');
    const { createTestEtcd } = require('${manifest.name}/testing');
    console.log(typeof puts, typeof key, typeof createClient, typeof createTestEtcd);`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--eval', program], { cwd: folder, encoding: 'utf8' });
  const ok = stdout === 'function function function function\n';
  check(ok, `importing it needs a global that jsdom lacks:\n${stdout}${stderr}`);
  if (ok) console.log('✓ importing it needs no global of the web or of Node');
}
