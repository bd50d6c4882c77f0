const own = require('../../../jest.config.cjs');

/** Runs the tests of docs/testing.md, one per file, in the folder that DOCS_TESTS names. */
module.exports = {
  ...own,
  rootDir: own.rootDir,
  roots: [process.env.DOCS_TESTS],
  modulePaths: ['<rootDir>/node_modules'],
  testSequencer: '@jest/test-sequencer',
  setupFilesAfterEnv: ['<rootDir>/test/docs/runners/jestSetup.cjs'],
  transform: {
    ...own.transform,
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          // Angular uses the decorators of TypeScript before 5.
          transform: { legacyDecorator: true, useDefineForClassFields: false },
        },
        module: { type: 'commonjs' },
      },
    ],
  },
};
