import comments from '@eslint-community/eslint-plugin-eslint-comments';
import { defineConfig, globalIgnores } from 'eslint/config';
import rxjs from 'eslint-plugin-rxjs-x';
import tseslint from 'typescript-eslint';

const library = ['src/**/*.ts', 'operators/**/*.ts'];
const viaTransport = 'Only src/node, src/browser and src/testing/server know the host and sockets.';

/** What exists in Node but not wherever RxJS runs, or what RxJS has its own, virtual-time way for. */
const hostGlobals = [
  ...['Buffer', 'process', 'global', 'require', 'module', '__dirname', '__filename'].map((name) => ({ name, message: viaTransport })),
  ...['fetch', 'WebSocket', 'EventSource', 'XMLHttpRequest'].map((name) => ({ name, message: viaTransport })),
  ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask'].map((name) => ({
    name,
    message: 'Use RxJS time (timer, a scheduler): TestScheduler can then run it.',
  })),
];

const hostModules = [
  { regex: '^node:', message: viaTransport },
  { regex: '^undici(/|$)', message: viaTransport },
];

/** These resolve in TypeScript and throw in native ESM. */
const brokenInEsm = [
  { regex: '^fp-ts/(?!lib/\\w+\\.js$)', message: "Write 'fp-ts/lib/Either.js': other paths fail in native ESM." },
  { regex: '^io-ts/', message: "Import from 'io-ts': its deep paths fail in native ESM." },
  { regex: '^rxjs/(?!(ajax|fetch|operators|testing|webSocket)$)', message: "Import from 'rxjs': its deep paths fail in native ESM." },
];

const restrictImports = (...patterns) => ['error', { patterns: [...brokenInEsm, ...patterns] }];

export default defineConfig(
  // The app has packages and a compiler of its own: `ng build` checks its types.
  globalIgnores(['dist/', '.cache/', 'coverage/', 'examples/angular/']),
  {
    linterOptions: { reportUnusedDisableDirectives: 'error', reportUnusedInlineConfigs: 'error' },
    plugins: { '@eslint-community/eslint-comments': comments },
    rules: {
      '@eslint-community/eslint-comments/require-description': 'error',
      '@eslint-community/eslint-comments/no-unlimited-disable': 'error',
      eqeqeq: 'error',
    },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, rxjs.configs.strict],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'no-restricted-imports': restrictImports(),
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // An error that was caught is `unknown`, and is passed on as it came.
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingAny: false, allowThrowingUnknown: true }],
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingAny: false, allowThrowingUnknown: true }],
      'rxjs-x/throw-error': ['error', { allowThrowingAny: false, allowThrowingUnknown: true }],
      // The compiler's own noUnusedLocals and noUnusedParameters say it.
      '@typescript-eslint/no-unused-vars': 'off',
      // Taste.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      // `errors/index.js` is how a folder shows its face; native ESM needs the name written out.
      'rxjs-x/no-index': 'off',
      // An empty Observable is answered by RxJS itself, with an EmptyError.
      'rxjs-x/no-ignored-default-value': 'off',
    },
  },
  {
    files: library,
    rules: {
      'no-console': 'error',
      'no-restricted-globals': ['error', ...hostGlobals],
      'no-restricted-imports': restrictImports(...hostModules),
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ImportDeclaration[importKind="value"][source.value=/^fp-ts/]',
          message: 'Import the types alone, and the functions from src/util/either.js: fp-ts/lib is CommonJS, of which ng build warns.',
        },
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: 'Use asyncScheduler.now(): TestScheduler can then move it.' },
        { object: 'performance', property: 'now', message: 'Use monotonicNow() in src/util/time.ts: rxetcd/testing can then move it.' },
        { object: 'globalThis', property: 'process', message: viaTransport },
        { object: 'globalThis', property: 'Buffer', message: viaTransport },
      ],
    },
  },
  {
    files: ['src/{node,browser,testing/server}/**/*.ts'],
    rules: { 'no-restricted-globals': 'off' },
  },
  {
    files: ['src/{node,testing/server}/**/*.ts'],
    rules: { 'no-restricted-imports': restrictImports() },
  },
  {
    files: ['operators/**/*.ts'],
    rules: {
      'no-restricted-imports': restrictImports(...hostModules, {
        regex: '^(?!rxjs$|fp-ts/lib/|io-ts$|immutable$|\\./|\\.\\./(\\w+\\.js$|internal/)|(\\.\\./)+src/(model|errors|util)/)',
        message: 'Operators are pure: rxjs, fp-ts, io-ts, src/model, src/errors and src/util only.',
      }),
    },
  },
  {
    files: ['test/**/*.ts', 'examples/**/*.ts'],
    rules: {
      // Tests and examples stand at the end of the world: what they leave open ends with them.
      'rxjs-x/no-ignored-error': 'off',
      'rxjs-x/no-implicit-any-catch': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      // `async () => { throw … }` is the shortest way to a rejected promise.
      '@typescript-eslint/require-await': 'off',
      // Nor need an error in a test be one.
      '@typescript-eslint/only-throw-error': 'off',
      'rxjs-x/throw-error': 'off',
      '@typescript-eslint/no-dynamic-delete': 'off',
      '@typescript-eslint/use-unknown-in-catch-callback-variable': 'off',
      // What is taken out of a client or a test server is a closure, without `this`.
      '@typescript-eslint/unbound-method': 'off',
      // Angular's injectors are made by functions.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
    },
  },
  {
    files: ['**/*.{js,cjs,mjs}'],
    extends: [tseslint.configs.recommended],
    rules: { '@typescript-eslint/no-require-imports': 'off' }, // CommonJS where a tool wants it
  },
);
