/**
 * Packs the package, puts the tarball where a user's program finds it, and checks that the program compiles and runs:
 * as ESM and as CommonJS, and compiles as older settings of TypeScript would have it. Run by `npm run check:package`.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const problems = [];
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
  for (const entry of ['src', 'operators']) await checkCopies(entry);
  checkOneCopy();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
for (const problem of problems) console.error(`✗ ${problem}`);
process.exit(problems.length > 0 ? 1 : 0);

function checkContents({ files, size, unpackedSize }) {
  const paths = files.map(({ path }) => path);
  for (const path of ['package.json', 'LICENSE', 'README.md']) check(paths.includes(path), `the package has no ${path}`);
  const known =
    /^(package\.json|LICENSE|README\.md|CHANGELOG\.md|docs\/.+|dist\/cjs\/package\.json|dist\/cjs\/chunks\/[\w-]+\.js|dist\/(esm|cjs)\/(src|operators)\/.+\.(js|d\.ts))$/;
  for (const path of paths) check(known.test(path), `${path} has no place in the package`);
  console.log(`${paths.length} files, ${Math.round(size / 1024)} kB packed, ${Math.round(unpackedSize / 1024)} kB unpacked`);
}

/** The tarball itself, and beside it what npm would install with it. */
function install({ filename }) {
  const modules = join(folder, 'node_modules');
  mkdirSync(modules, { recursive: true });
  execFileSync('tar', ['-xzf', join(folder, filename), '-C', modules]);
  cpSync(join(modules, 'package'), join(modules, manifest.name), { recursive: true });
  rmSync(join(modules, 'package'), { recursive: true });
  for (const name of [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies), '@types', 'undici-types']) {
    symlinkSync(join(root, 'node_modules', name), join(modules, name), 'junction');
  }
}

/** Node takes the CommonJS copy, whoever asks. That for bundlers has to be the same, and to load. */
async function checkCopies(entry) {
  const namesIn = async (copy) => {
    const file = join(folder, 'node_modules', manifest.name, 'dist', copy, entry, 'index.js');
    // What Node itself adds to the names of a CommonJS module.
    const added = ['default', 'module.exports', '__esModule'];
    const names = Object.keys(await import(pathToFileURL(file).href)).filter((name) => !added.includes(name));
    return names.sort().join(' ');
  };
  const [esm, cjs] = [await namesIn('esm'), await namesIn('cjs')];
  check(esm === cjs, `${entry}: the ESM copy exports ${esm}, the CommonJS copy ${cjs}`);
  if (esm === cjs) console.log(`✓ ${entry}: both copies load, and export the same`);
}

/** A program may import it in one place and require it in another. */
function checkOneCopy() {
  const program = `
    const require = process.getBuiltinModule('node:module').createRequire(process.cwd() + '/');
    for (const entry of ['${manifest.name}', '${manifest.name}/operators']) {
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
  // Our declarations are compiled as well, unlike with skipLibCheck: they must hold under a user's settings.
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
  // It has to end by itself after close().
  const ran = spawnSync(process.execPath, ['out/consumer.js'], { cwd: project, encoding: 'utf8', timeout: 10_000 });
  const ok = ran.status === 0 && ran.stdout === 'ok\n';
  check(ok, `${title}: ends with ${ran.signal ?? `exit code ${ran.status}`}, says ${JSON.stringify(ran.stdout)}\n${ran.stderr}`);
  if (ok) console.log(`✓ ${title}: compiles, runs and ends`);
}
