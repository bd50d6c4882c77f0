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
  ['testing-store', '^src/testing/store/'],
  ['transport', '^src/transport/'],
  ['services', '^src/services/'],
  ['watch', '^src/watch/'],
  ['prefix', '^src/prefix/'],
  ['concurrency', '^src/concurrency/'],
  ['options', '^src/options/'],
  ['namespace', '^src/namespace\\.ts$'],
  ['client', '^src/client\\.ts$'],
  ['index', '^src/index\\.ts$'],
  ['testing', '^src/testing/(?!store/)'],
];

/** The implementation of the interface Wire. */
const wire = '^src/transport/((http|json|tls)/|streams/(http2|websocket|websocketFrames|dedicatedConnection)\\.ts$)';

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
      comment: 'JSON, HTTP and TLS are below the interface Wire. The files at the end await their move.',
      severity: 'error',
      from: {
        path: '^(src|operators)/',
        pathNot: [wire, '^src/client\\.ts$', '^src/(index|options/clientOptions|options/tlsOptions)\\.ts$'],
      },
      to: { path: '^src/transport/(http|json|tls)/' },
    },
    {
      name: 'only-the-wire-knows-node',
      comment: 'src/transport/node.ts tells the names of host, process and thread.',
      severity: 'error',
      from: { path: '^(src|operators)/', pathNot: [wire, '^src/transport/node\\.ts$'] },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'only-the-wire-knows-undici',
      severity: 'error',
      from: { path: '^(src|operators)/', pathNot: wire },
      to: { path: 'node_modules/undici/' },
    },
    {
      name: 'only-index-imports-client',
      severity: 'error',
      from: { path: '^(src|operators)/', pathNot: '^src/index\\.ts$' },
      to: { path: '^src/client\\.ts$' },
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
      to: { path: '^(src|operators|test)/', pathNot: '^(src|operators)/index\\.ts$' },
    },
    {
      name: 'peer-only-in-benchmarks',
      severity: 'error',
      from: { pathNot: '^test/bench/' },
      to: { path: 'node_modules/etcd3/' },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-orphans',
      comment: 'Each file is reached from what the package exports.',
      severity: 'error',
      from: { path: '^(src|operators|src/testing|src/testing/store)/index\\.ts$' },
      to: { path: '^(src|operators)/', pathNot: '^(src|operators|src/testing|src/testing/store)/index\\.ts$', reachable: false },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'] },
  },
};
