import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const root = join(import.meta.dirname, '../../..');

/** Runs the tests of docs/testing.md, one per file, in the folder that DOCS_TESTS names. */
export default defineConfig({
  root: process.env.DOCS_TESTS,
  resolve: {
    alias: {
      'rxetcd/operators': join(root, 'operators/index.ts'),
      'rxetcd/testing/server': join(root, 'src/testing/server/index.ts'),
      'rxetcd/testing': join(root, 'src/testing/index.ts'),
      'rxetcd/angular': join(root, 'src/angular/index.ts'),
      rxetcd: join(root, 'src/index.ts'),
    },
  },
  esbuild: { target: 'es2022', tsconfigRaw: { compilerOptions: { experimentalDecorators: true, useDefineForClassFields: false } } },
  test: {
    include: ['*.test.ts'],
    globals: true,
    expect: { requireAssertions: true },
    testTimeout: 120_000,
  },
});
