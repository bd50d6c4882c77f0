/**
 * `node .ci/bundle.mjs node|browser DIR`: writes the package in CommonJS, in a few files, as Node loads it. For every
 * file, and for every `require` of a package, Node searches folders and manifests. That takes longer than to run most
 * of the files.
 */
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transform } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/**
 * The entry points of the two copies: for Node, and for browsers (tests in jsdom load that one). The key is the name of
 * the file here.
 */
const COPIES = {
  node: { 'src/index': 'src/index', 'operators/index': 'operators/index' },
  browser: { 'src/index': 'src/index.browser', 'operators/index': 'operators/index' },
};
/** These entry points share no code with a program that does not import them. */
const ASIDE = {
  node: ['src/testing/index', 'src/testing/server/index', 'src/testing/server/cli', 'src/angular/index', 'src/swagger/index'],
  browser: ['src/testing/index', 'src/angular/index', 'src/swagger/index'],
};

const require = createRequire(import.meta.url);
const rxjs = require.resolve('rxjs/package.json');
/** The file of rxjs that exports each name, and the name there, from rxjs's own index. */
const inRxjs = new Map(
  [...readFileSync(join(dirname(rxjs), 'dist/esm/index.js'), 'utf8').matchAll(/^export \{ (.+) \} from '\.\/(.+)';$/gm)].flatMap(
    ([, names, file]) =>
      names.split(', ').map((each) => [each.split(' as ').at(-1), { file: `rxjs/${file}`, name: each.split(' as ')[0] }]),
  ),
);

const [, , copy, folder] = process.argv;
await writeBundle(resolve(folder), COPIES[copy]);

async function writeBundle(folder, entries) {
  for (const { path, text } of await chunks(folder, entries)) {
    // The first line of a program names its interpreter, and stays the first.
    const [hashbang = ''] = /^#!.*\n/.exec(text) ?? [];
    const { code } = await transform(hashbang + withExports(withRequires(await uncommented(text.slice(hashbang.length)))), {
      format: 'cjs',
      platform: 'node',
      target: 'node20',
      // As `require`: it is faster within CommonJS, and finds the copy that a user's `require` finds.
      supported: { 'dynamic-import': false },
    });
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, code);
  }
  if (copy === 'node') await writeFile(join(folder, 'chunks', 'undici.js'), await undiciLoader());
  await writeFile(join(folder, 'package.json'), '{"type":"commonjs","sideEffects":false}\n');
}

/** The file that loads undici, for the minor release that is installed here. */
async function undiciLoader() {
  const { version } = require('undici/package.json');
  const text = readFileSync(join(root, '.ci', 'undici.cjs'), 'utf8').replace('%TESTED%', version.replace(/\.\d+$/, ''));
  return uncommented(text);
}

/**
 * Removes the comments: the types have them, and here they would be held in memory with the code. esbuild removes them
 * only together with all white space, so the code is formatted again afterwards.
 */
async function uncommented(text) {
  const { code } = await transform(text, { minifyWhitespace: true });
  return (await transform(code)).code;
}

/**
 * Bundles as ES modules, as only these can be split: into the code that the entries share, and the code that is loaded
 * when it is first used.
 */
async function chunks(folder, entries) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [...Object.entries(entries), ...ASIDE[copy].map((each) => [each, each])].map(([out, path]) => ({ in: `${path}.ts`, out })),
    // One more entry imports all the others, so that their code is shared and they only export names. Node reads the whole
    // of a CommonJS file that is imported by an ES module to find its names, which is slow for a large file.
    stdin: {
      contents: Object.values(entries)
        .map((path) => `export * from './${path}.ts';`)
        .join(''),
      resolveDir: root,
    },
    outdir: folder,
    chunkNames: 'chunks/[name]-[hash]',
    tsconfig: join(root, 'tsconfig.esm.json'),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    // The client of this same copy.
    alias: { rxetcd: join(root, `${entries['src/index']}.ts`) },
    write: false,
  });
  return outputFiles.filter(({ path }) => path !== join(folder, 'stdin.js'));
}

/**
 * Requires each package once, and keeps the used exports in variables: reading them from the exports each time takes
 * longer.
 */
function withRequires(text) {
  const required = new Map();
  const ofPackage = (from) => required.get(from) ?? required.set(from, { names: [], spaces: [] }).get(from);
  const rest = text.replaceAll(/^import (?:\* as (\w+)|\{([^}]+)\}) from "(.+)";\n/gm, (_, space, names, from) => {
    if (space !== undefined) ofPackage(from).spaces.push(space);
    for (const each of names?.split(',') ?? []) {
      const [imported, local = imported] = each.trim().split(' as ');
      const { file, name } = placeOf(from, imported);
      ofPackage(file).names.push(`${name}: ${local}`);
    }
    return '';
  });
  const declared = [...required].flatMap(([from, { names, spaces }]) => [
    ...(names.length === 0 ? [] : [`const { ${names.join(', ')} } = require("${from}");\n`]),
    ...spaces.map((space, index) => `const ${space} = ${index === 0 ? `require("${from}")` : spaces[0]};\n`),
  ]);
  return declared.join('') + rest;
}

/**
 * Writes the exports of a file as a plain object. esbuild would write two functions for each name, so that its value
 * may change later; no value here changes.
 */
function withExports(text) {
  return text.replace(/^export \{([^}]*)\};$/gm, (_, names) => {
    const fields = names.split(',').map((each) => each.trim().split(' as '));
    const object = fields.map(([local, name]) => (name === undefined ? local : `${name}: ${local}`)).join(', ');
    return `module.exports = { ${object} };\nObject.defineProperty(module.exports, "__esModule", { value: true });`;
  });
}

function placeOf(from, name) {
  if (from === 'rxjs') return placeInRxjs(name);
  // Only a chunk loads it, and a chunk is in the same folder.
  return { file: from === 'undici' ? './undici.js' : from, name };
}

/**
 * We use half of rxjs. The bundle requires the files that rxjs's index loads, so a user's program gets the same classes
 * by either way.
 */
function placeInRxjs(name) {
  const place = inRxjs.get(name);
  if (place === undefined) throw new Error(`rxjs has no ${name}`);
  return place;
}
