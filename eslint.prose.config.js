import markdown from '@eslint/markdown';
import { defineConfig, globalIgnores } from 'eslint/config';
import jsdoc from 'eslint-plugin-jsdoc';
import rxjs from 'eslint-plugin-rxjs-x';
import tseslint from 'typescript-eslint';
import prose from './.ci/eslint/prose.js';

const rules = {
  'prose/line-length': 'error',
  'prose/sentence-length': 'error',
  'prose/sentence-beginning': 'error',
  'prose/plain-words': 'error',
};

/** Begins with a capital or code, and ends with a period, a list, a diagram or a code block. */
const COMPLETE = String.raw`/^(?:etcd|gRPC|- |[\p{Lu}\p{N}\x60\{"…])[\s\S]*(?:[.?!…][\)"\x60]?|\n\x60{3}|\n *(?:[\-\|#*]|\d+\.) (?:.|\n(?!\n))*)\s*$/v`;

/** A function and a method do something; a callback is called. */
const VERB = String.raw`/^(?!(?:This|Its|Always|Is|Was|As)\b)(?:Called|[A-Z]\w*s)\b/v`;
const BEGIN_WITH_VERB = 'The doc comment of a function begins with a verb in the third person: "Acquires a lock."';
const FUNCTIONS = [
  'ExportNamedDeclaration > :matches(FunctionDeclaration, TSDeclareFunction)',
  'TSMethodSignature[kind="method"]',
  'MethodDefinition[kind="method"][accessibility!="private"][key.type!="PrivateIdentifier"]',
];

/** The prose of the docs and of comments, `npm run lint:prose`. Code is checked by eslint.config.js. */
export default defineConfig(
  globalIgnores(['dist/', '.cache/', 'coverage/', 'test/package/api/', '**/node_modules/', 'examples/angular/dist/']),
  { files: ['**/*.md'], plugins: { markdown, prose }, language: 'markdown/gfm', rules },
  {
    files: ['src/**/*.ts', 'operators/**/*.ts', 'examples/**/*.ts'],
    // The other plugins have rules that comments disable.
    plugins: { jsdoc, 'jsdoc-verb': jsdoc, prose, '@typescript-eslint': tseslint.plugin, 'rxjs-x': rxjs },
    languageOptions: { parser: tseslint.parser },
    // Those of eslint.config.js, whose rules are not known here.
    linterOptions: { reportUnusedDisableDirectives: 'off' },
    rules: {
      ...rules,
      'jsdoc/informative-docs': 'error',
      // Not require-description-complete-sentence, which takes lists and the phrases behind @param for sentences.
      'jsdoc/match-description': [
        'error',
        { matchDescription: COMPLETE, message: 'A doc comment is made of complete sentences.', contexts: ['any'] },
      ],
      'jsdoc-verb/match-description': ['error', { matchDescription: VERB, message: BEGIN_WITH_VERB, contexts: FUNCTIONS }],
    },
  },
);
