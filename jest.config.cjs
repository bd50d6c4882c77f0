const { availableParallelism } = require('node:os');

/** Whether the tests run on the etcd in memory: `ETCD=memory`. */
const inMemory = process.env.ETCD === 'memory';

/** Tests run as CommonJS through swc; ESM is proven on the packed package (`npm run check:package`). */
module.exports = {
  rootDir: __dirname,
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  // In memory, some tests cannot run; the environment has their list.
  testEnvironment: inMemory ? '<rootDir>/test/support/memory/environment.cjs' : 'node',
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' }, sourceMaps: 'inline' },
    ],
    // Angular is there as ES modules only.
    '/@angular/.+\\.mjs$': ['@swc/jest', { jsc: { target: 'es2022' }, module: { type: 'commonjs' } }],
  },
  transformIgnorePatterns: ['/node_modules/(?!@angular/)'],
  moduleNameMapper: {
    '^rxetcd$': inMemory ? '<rootDir>/test/support/memory/rxetcd.ts' : '<rootDir>/src/index.ts',
    '^rxetcd/operators$': '<rootDir>/operators/index.ts',
    '^rxetcd/testing$': '<rootDir>/src/testing/index.ts',
    '^rxetcd/testing/server$': '<rootDir>/src/testing/server/index.ts',
    '^rxetcd/angular$': '<rootDir>/src/angular/index.ts',
    '^rxetcd/swagger$': '<rootDir>/src/swagger/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  // Tells only what hangs: a machine that does other work as well may take several times as long.
  testTimeout: 300_000,
  testSequencer: '<rootDir>/.ci/sequencer.cjs',
  // Tests wait for servers more than they compute: with a worker more than cores, half of the time of all cores is idle.
  maxWorkers: availableParallelism() + 1,
};
