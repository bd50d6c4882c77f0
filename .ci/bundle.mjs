/**
 * `node .ci/bundle.mjs node|browser DIR`: the package as Node loads it, in CommonJS and in a few files. For every file, and for every `require` of a package, Node looks
 * through folders and manifests, which takes it longer than to run most of what it finds there.
 */
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transform } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** The entries of the copy for Node, and of that for browsers, which a test in jsdom loads. Each by the name of its file here. */
const COPIES = {
  node: { 'src/index': 'src/index', 'operators/index': 'operators/index' },
  browser: { 'src/index': 'src/index.browser', 'operators/index': 'operators/index' },
};
/** Nothing that a program loads has parts of these. */
const ASIDE = {
  node: ['src/testing/index', 'src/testing/server/index', 'src/testing/server/cli', 'src/angular/index', 'src/swagger/index'],
  browser: ['src/testing/index', 'src/angular/index', 'src/swagger/index'],
};

const require = createRequire(import.meta.url);
const rxjs = require.resolve('rxjs/package.json');
/** Where rxjs has what, and under which name, as its own index says. */
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
      // As require: within CommonJS it takes less, and finds the copy that a user's require finds.
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

/** What is said of each function stands in the types; here it would be held in memory with the code. esbuild leaves it out where it leaves out all that can be, so it writes the code anew. */
async function uncommented(text) {
  const { code } = await transform(text, { minifyWhitespace: true });
  return (await transform(code)).code;
}

/** As ES modules, for only these can be split: in what the entries share, and what is loaded when it is first used. */
async function chunks(folder, entries) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [...Object.entries(entries), ...ASIDE[copy].map((each) => [each, each])].map(([out, path]) => ({ in: `${path}.ts`, out })),
    // One entry more that shares all with the others, which leaves them empty but for their names. For these Node reads a whole file of CommonJS that is
    // imported, and slowly.
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
    // The client is the one of this copy.
    alias: { rxetcd: join(root, `${entries['src/index']}.ts`) },
    write: false,
  });
  return outputFiles.filter(({ path }) => path !== join(folder, 'stdin.js'));
}

/** Every package is required once, and what is used of it kept in variables: they take less than to ask its exports for it each time. */
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

/** What a file exports, as a plain object: esbuild would write two functions for each name, for names that change later. None of ours does. */
function withExports(text) {
  return text.replace(/^export \{([^}]*)\};$/gm, (_, names) => {
    const fields = names.split(',').map((each) => each.trim().split(' as '));
    const object = fields.map(([local, name]) => (name === undefined ? local : `${name}: ${local}`)).join(', ');
    return `module.exports = { ${object} };\nObject.defineProperty(module.exports, "__esModule", { value: true });`;
  });
}

function placeOf(from, name) {
  if (from === 'rxjs') return placeInRxjs(name);
  // Loaded by a chunk alone, and so from the same folder.
  return { file: from === 'undici' ? './undici.js' : from, name };
}

/** What we use of rxjs is half of it. These are the files that its index loads: a user's program has the same classes, whichever way it asks. */
function placeInRxjs(name) {
  const place = inRxjs.get(name);
  if (place === undefined) throw new Error(`rxjs has no ${name}`);
  return place;
}
