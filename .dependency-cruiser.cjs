/**
 * Dependencies run one way. The layers, from the bottom up: each may import itself and what stands above it in this
 * list, never what follows. Types count: a type import ties two files as well.
 */
const layers = [
  ['errors', '^src/errors/'],
  ['util', '^src/util/'],
  ['model', '^src/model/'],
  ['operators', '^operators/'],
  ['codec', '^src/codec/'],
  ['swagger', '^src/swagger/'],
  ['testing-store', '^src/testing/store/'],
  ['transport', '^src/transport/'],
  ['services', '^src/services/'],
  ['watch', '^src/watch/'],
  ['prefix', '^src/prefix/'],
  ['concurrency', '^src/concurrency/'],
  ['options', '^src/options/'],
  ['promises', '^src/promises/'],
  ['platform', '^src/(node|browser)/'],
  ['client', '^src/client/'],
  ['index', '^src/index(\\.(browser|bun))?\\.ts$'],
  ['testing', '^src/testing/(?!store/)'],
  ['angular', '^src/angular/'],
];

/** The implementations of the interface Wire, with what each platform adds to it. */
const wire = '^src/((transport/(http|json)|node|browser|testing/server)/|testing/memoryWire\\.ts$)';

const oneWay = layers.slice(0, -1).map(([name, path], index) => ({
  name: `${name}-imports-only-what-is-below`,
  severity: 'error',
  from: { path },
  to: { path: layers.slice(index + 1).map(([, above]) => above) },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    ...oneWay,
    {
      name: 'operators-know-only-util-model-and-errors',
      comment: 'Of src; what they may take from packages, eslint says.',
      severity: 'error',
      from: { path: '^operators/' },
      to: { path: '^src/', pathNot: '^src/(model|errors|util)/' },
    },
    {
      name: 'only-the-wire-knows-how-messages-travel',
      comment:
        'JSON and HTTP are below the interface Wire. The options name the settings for connections, and the parts that a page loads later.',
      severity: 'error',
      from: {
        path: '^(src|operators)/',
        pathNot: [wire, '^src/options/(clientOptions|parts)\\.ts$'],
      },
      to: { path: '^src/transport/(http|json)/' },
    },
    {
      name: 'only-the-node-half-knows-node',
      comment: 'All else runs in a browser. A type counts: an app there compiles without the types of Node.',
      severity: 'error',
      from: { path: '^(src|operators)/', pathNot: '^src/(node|testing/server)/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'only-the-node-half-knows-undici',
      severity: 'error',
      from: { path: '^(src|operators)/', pathNot: '^src/node/' },
      to: { path: 'node_modules/undici/' },
    },
    {
      name: 'only-the-test-server-knows-ws',
      severity: 'error',
      from: { path: '^(src|operators)/', pathNot: '^src/testing/server/' },
      to: { path: '(node_modules/ws/|^src/testing/server/)' },
    },
    {
      name: 'only-index-chooses-the-platform',
      severity: 'error',
      from: { path: '^(src|operators)/', pathNot: '^src/(index\\.ts$|node/)' },
      to: { path: '^src/node/' },
    },
    {
      name: 'only-index-imports-client',
      severity: 'error',
      from: { path: '^(src|operators)/', pathNot: '^src/(index(\\.(browser|bun))?\\.ts$|client/|testing/)' },
      to: { path: '^src/client/' },
    },
    {
      name: 'angular-uses-the-public-face',
      comment: 'By the name of the package, so that bundlers choose the client for the platform.',
      severity: 'error',
      from: { path: '^src/angular/' },
      to: { path: '^(src|operators)/', pathNot: '^src/(angular/|index\\.ts$)' },
    },
    {
      name: 'only-angular-knows-angular',
      severity: 'error',
      from: { path: '^(src|operators)/', pathNot: '^src/angular/' },
      to: { path: 'node_modules/@angular/' },
    },
    {
      name: 'known-layer',
      comment: 'A new folder in src needs its place in the list of layers.',
      severity: 'error',
      from: {},
      to: { path: '^src/', pathNot: layers.map(([, path]) => path) },
    },
    {
      name: 'library-stands-alone',
      severity: 'error',
      from: { path: '^(src|operators)/' },
      to: { path: '^(test|examples|docs|\\.ci)/' },
    },
    {
      name: 'only-declared-packages',
      comment: 'What users get must be in dependencies or peerDependencies.',
      severity: 'error',
      from: { path: '^(src|operators)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'], dependencyTypesNot: ['npm-peer'] },
    },
    {
      name: 'examples-use-the-public-face',
      severity: 'error',
      from: { path: '^examples/' },
      to: { path: '^(src|operators|test)/', pathNot: '^(src|operators)/(angular/)?index\\.ts$' },
    },
    {
      name: 'peer-only-in-benchmarks',
      severity: 'error',
      // The bridge is for programs that use both.
      from: { pathNot: '^test/(bench/|integration/etcd3Bridge)' },
      to: { path: 'node_modules/etcd3/' },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-orphans',
      comment: 'Each file is reached from what the package exports.',
      severity: 'error',
      from: {
        path: '^((src|operators|src/testing|src/testing/store|src/testing/server|src/angular|src/swagger)/index(\\.(browser|bun))?|src/testing/server/cli)\\.ts$',
      },
      to: {
        path: '^(src|operators)/',
        pathNot:
          '^((src|operators|src/testing|src/testing/store|src/testing/server|src/angular|src/swagger)/index(\\.(browser|bun))?|src/testing/server/cli)\\.ts$',
        reachable: false,
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // An app with packages of its own.
    exclude: { path: '^examples/angular/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'] },
  },
};
