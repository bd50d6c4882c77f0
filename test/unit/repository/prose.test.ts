import { beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { projectRoot } from '../../support/etcd/project.js';

const root = projectRoot();

interface Finding {
  readonly ruleId: string;
  readonly line: number;
  readonly message: string;
}

/** Runs ESLint with the rules for prose over a text of a file with that name. */
function lint(text: string, file: string): Finding[] {
  const eslint = join(root, 'node_modules/eslint/bin/eslint.js');
  const args = [eslint, '--config', 'eslint.prose.config.js', '--format', 'json', '--stdin', '--stdin-filename', file];
  const { stdout } = spawnSync(process.execPath, args, { cwd: root, input: text, encoding: 'utf8' });
  const [result] = JSON.parse(stdout) as { messages: Finding[] }[];
  return result?.messages ?? [];
}

const words = (count: number): string => Array.from({ length: count }, (_, index) => `word${index}`).join(' ');

const PAGE = [
  `Fine ${words(24)}.`,
  `Long ${words(25)}.`,
  `Two ${words(20)}. Sentences ${words(20)}.`,
  `Names ${words(20)} \`a\`, \`b.c. D\`, \`e\` and \`f\` ${words(3)}.`,
  `Version 3.5 and v3.4.1 ${words(18)}, e.g. Debian's.`,
  'What is stored is told anew.',
  'A reason is reported again. Where it fails, it is `told anew`.',
  '```text\nWhat is told anew by nobody.\n```',
  '# What nobody reads',
  `| head |\n|---|\n| A cell. Who reads it? ${words(26)} |`,
  `- An item of a list\n  over two lines: nobody and of its\n  own`,
  `rxetcd ends with a name. etcd ${words(24)}.`,
  `<!-- figures: written by a tool -->`,
  `Nobody ${words(30)}.`,
  `<!-- end of figures -->`,
].join('\n\n');

describe('the rules for prose', () => {
  let findings: readonly (readonly [string, number])[];
  let messages: readonly string[];

  beforeAll(() => {
    const found = lint(PAGE, 'docs/page.md');
    findings = found.map(({ ruleId, line }) => [ruleId.replace('prose/', ''), line]);
    messages = found.map(({ message }) => message);
  });

  const linesOf = (rule: string): number[] => findings.filter(([name]) => name === rule).map(([, line]) => line);

  it('allow 25 words in a sentence, and count a list of code as one', () => {
    expect(linesOf('sentence-length')).toEqual([3, 23]);
  });

  it('reject a sentence that begins with What, Who, That or Where, but not a heading', () => {
    expect(linesOf('sentence-beginning')).toEqual([11, 13, 23]);
  });

  it('reject banned words in sentences and headings, but not in code', () => {
    expect(linesOf('plain-words')).toEqual([11, 11, 19, 26, 26]);
  });

  it('name the word and what to write instead', () => {
    expect(messages).toContain('Instead of "told" write "reported", "notified" or "described".');
  });
});

describe('the length of lines', () => {
  it('is 120 columns at most in paragraphs, but not in tables, code and lines that cannot be wrapped', () => {
    const long = 'word '.repeat(25);
    const page = [long, `| head |\n|---|\n| ${long} |`, `\`\`\`\n${long}\n\`\`\``, `https://${'a'.repeat(130)}`].join('\n\n');
    expect(lint(page, 'docs/page.md').map(({ ruleId, line }) => `${line} ${ruleId}`)).toEqual(['1 prose/line-length']);
  });
});

const SOURCE = `/**
 * What is told, in two
 * lines. Fine \`anew\` and {@link whoever}.
 *
 * \`\`\`ts
 * // Where nobody looks
 * \`\`\`
 *
 * @param name Who is told.
 */
export const a = 1; // nobody
// One comment of ${words(20)}
// and two lines of ${words(5)}.
export const b = { // ${words(10)}
  c: 2, // ${words(20)}
};
// eslint-disable-next-line -- nobody
const told = "told";
throw new EtcdError('Locked', told ? \`\${b} told nobody\` : 'a lock has another owner');
throw new Invalid('nobody');
`;

describe('the rules for prose in comments', () => {
  it('the rules for prose in comments', () => {
    const found = lint(SOURCE, 'operators/source.ts').map(({ ruleId, line }) => `${line} ${ruleId.replace('prose/', '')}`);
    expect(found).toEqual([
      '2 sentence-beginning',
      '2 plain-words',
      '9 sentence-beginning',
      '9 plain-words',
      '11 plain-words',
      '12 sentence-length',
      '12 line-length',
      '15 line-length',
      '19 plain-words',
      '19 plain-words',
    ]);
  });
});

const DOCUMENTED = `/** Acquires a lock. */
export function lock(): void {}

/** A lock. */
export function locked(): void {}

/** The lock. */
export interface Lock {
  /** Called when the lock is lost: \`error\` says why. */
  onLost(): void;
  /** Lost */
  lost(): void;
  /**
   * The state:
   * - \`owned\`: it is held
   * - \`lost\`: it is not
   */
  readonly state: string;
}
`;

describe('find sentences over several lines, in paragraphs, tags and error messages, but not in code', () => {
  it('of a function begins with a verb, consists of sentences, and does not repeat the name', () => {
    expect(lint(DOCUMENTED, 'src/lock.ts').map(({ ruleId, line }) => `${line} ${ruleId}`)).toEqual([
      '5 jsdoc-verb/match-description',
      '7 jsdoc/informative-docs',
      '12 jsdoc/match-description',
      '12 jsdoc-verb/match-description',
    ]);
  });
});
