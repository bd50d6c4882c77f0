/**
 * ESLint rules for prose in Markdown, in comments and in error messages, by the rules of CONTRIBUTING.md: short
 * sentences, plain words, one word per concept, short lines. Sentences are found in paragraphs, list items and table
 * cells. Code, in blocks or in backticks, is not prose.
 */
import { BEGINNINGS, WORDS } from './words.js';

const MAX_WORDS = 25;
const MAX_COLUMNS = 120;

/** Replaces code in backticks: one word that ends no sentence. */
const CODE = 'code';

/** Words that begin a sentence although they are in lower case. */
const LOWER_CASE_NAMES = [CODE, 'etcd', 'etcdctl', 'gRPC', 'io-ts', 'nginx', 'npm', 'rxetcd', 'undici'];

/** A period that ends no sentence. */
const ABBREVIATIONS = /\b(?:e\.g|i\.e|etc|cf|vs|no)\.$/i;

/** The end of a sentence, if the beginning of another follows. */
const END = new RegExp(`[.!?…]+["'”’)\\]]*(?=\\s+["'“‘([]*(?:[\\p{Lu}\\p{N}]|(?:${LOWER_CASE_NAMES.join('|')})\\b))`, 'gu');

/** Returns the text of a node as it is read, with the offset in the source of each character. */
function textOf(node) {
  const text = [];
  const offsets = [];
  const add = (characters, start) => {
    for (let index = 0; index < characters.length; index += 1) {
      text.push(characters[index] === '\n' ? ' ' : characters[index]);
      offsets.push(start + index);
    }
  };
  const visit = (each) => {
    const { start } = each.position;
    if (each.type === 'text') add(each.value, start.offset);
    else if (each.type === 'inlineCode') add(CODE, start.offset);
    else if (each.type === 'break') add(' ', start.offset);
    else each.children?.forEach(visit);
  };
  visit(node);
  return { text: text.join(''), offsets };
}

/** Lines of a comment that begin a paragraph: a tag, an item of a list, a row of a table, a heading. */
const BEGINS_PARAGRAPH = /^(?:@\w+|[-*] |\d+\. |\||#)/;

/** Code and links in a comment, each of which counts as one word. */
const INLINE = /`[^`]*`|\{@\w+ [^}]*\}/g;

/**
 * Returns the paragraphs of a comment, in the form that `textOf` has. `lines` are the lines without comment signs, each
 * with its offset.
 */
function paragraphsOf(lines) {
  const paragraphs = [];
  let [current, fenced] = [undefined, false];
  for (const { line, offset } of lines) {
    const isFence = line.startsWith('```');
    if (isFence) fenced = !fenced;
    if (line === '' || isFence || fenced || BEGINS_PARAGRAPH.test(line)) current = undefined;
    if (line === '' || isFence || fenced) continue;
    // The name of a tag, and of the parameter behind it, are not words of the sentence.
    const label = /^(?:@param \S+|@\w+|[-*]|\d+\.|#+)\s*/.exec(line)?.[0].length ?? 0;
    if (current === undefined) paragraphs.push((current = { text: '', offsets: [] }));
    else {
      current.text += ' ';
      current.offsets.push(offset);
    }
    const add = (from, to, written = line.slice(from, to)) => {
      for (let index = 0; index < written.length; index += 1) current.offsets.push(offset + Math.min(from + index, to - 1));
      current.text += written;
    };
    let from = label;
    for (const { index, 0: code } of line.matchAll(INLINE)) {
      if (index < label) continue;
      add(from, index);
      add(index, index + code.length, CODE);
      from = index + code.length;
    }
    add(from, line.length);
  }
  return paragraphs;
}

/** Returns the lines of the comments of a file; adjacent line comments are one comment. */
function commentsOf(sourceCode) {
  const comments = [];
  let last;
  for (const { type, range, loc } of sourceCode.getAllComments()) {
    const raw = sourceCode.text.slice(...range);
    let offset = range[0];
    const lines = raw.split('\n').map((text) => {
      const sign = /^\s*(?:\/\*+|\*\/|\*(?!\*)|\/\/+)?\s*/.exec(text)[0].length;
      const line = {
        line: text
          .slice(sign)
          .replace(/\s*\*+\/$/, '')
          .trimEnd(),
        offset: offset + sign,
      };
      offset += text.length + 1;
      return line;
    });
    const continues = last?.end === loc.start.line - 1 && last.type === 'Line' && type === 'Line' && last.column === loc.start.column;
    if (continues && sourceCode.lines[loc.start.line - 1].slice(0, loc.start.column).trim() === '') last.lines.push(...lines);
    else comments.push((last = { type, lines, column: loc.start.column }));
    last.end = loc.end.line;
  }
  return comments.filter(({ lines }) => !lines.some(({ line }) => /^(?:eslint-|@ts-|\$ )/.test(line)));
}

/** Errors whose messages are prose. */
const ERROR_CLASS = /^(?:EtcdError|\w+Error)$/;

/** Returns the literal texts of an expression, with a placeholder for each inserted value. */
function messagesOf(node) {
  switch (node?.type) {
    case 'Literal':
      return typeof node.value === 'string' ? [{ text: node.value, node }] : [];
    case 'TemplateLiteral':
      return [{ text: node.quasis.map(({ value }) => value.cooked).join(CODE), node }];
    case 'ConditionalExpression':
      return [...messagesOf(node.consequent), ...messagesOf(node.alternate)];
    default:
      return [];
  }
}

/** Returns the sentences of a text, each with the index of its first character. */
export function sentencesOf(text) {
  const sentences = [];
  let start = 0;
  const take = (end) => {
    const raw = text.slice(start, end);
    const sentence = raw.trim();
    if (sentence !== '') sentences.push({ sentence, index: start + raw.length - raw.trimStart().length });
    start = end;
  };
  for (const { index, 0: end } of text.matchAll(END)) {
    if (!ABBREVIATIONS.test(text.slice(start, index + end.length))) take(index + end.length);
  }
  take(text.length);
  return sentences;
}

const LIST_OF_CODE = new RegExp(`${CODE}(?:,? (?:and |or )?${CODE})+\\b`, 'g');

/**
 * Returns the words of a sentence. A list of code counts as one word; signs that stand alone, such as a dash or a plus,
 * do not count.
 */
export const wordsOf = (sentence) =>
  sentence
    .replaceAll(/\s+/g, ' ')
    .replaceAll(LIST_OF_CODE, CODE)
    .split(/[ /–—]+/u)
    .filter((word) => /[\p{L}\p{N}]/u.test(word));

/** Tracks the comments around generated text, such as the figures of benchmarks, which is not prose. */
function generated() {
  let within = false;
  return {
    isGenerated: () => within,
    html: ({ value }) => {
      if (/^<!-- .*written by/.test(value)) within = true;
      else if (/^<!-- end of/.test(value)) within = false;
    },
  };
}

/** A rule that looks at each sentence, and at headings where `headings` is set. */
const sentenceRule = ({ description, messages, headings = false, check }) => ({
  meta: { type: 'suggestion', docs: { description }, messages, schema: [] },
  create(context) {
    const look = ({ text, offsets }) => {
      for (const { sentence, index } of sentencesOf(text)) {
        for (const { messageId, data, at = 0, length = sentence.length } of check(sentence)) {
          const [first, last] = [offsets[index + at], offsets[index + at + length - 1]];
          const loc = { start: context.sourceCode.getLocFromIndex(first), end: context.sourceCode.getLocFromIndex(last + 1) };
          context.report({ loc, messageId, data });
        }
      }
    };
    const { isGenerated, html } = generated();
    const visit = (node) => isGenerated() || look(textOf(node));
    const visitComments = () => commentsOf(context.sourceCode).forEach(({ lines }) => paragraphsOf(lines).forEach(look));
    const visitError = ({ callee, arguments: given }) => {
      if (callee.type !== 'Identifier' || !ERROR_CLASS.test(callee.name)) return;
      for (const { text, node } of given.flatMap(messagesOf))
        for (const { sentence } of sentencesOf(text))
          for (const { messageId, data } of check(sentence)) context.report({ node, messageId, data });
    };
    return {
      paragraph: visit,
      tableCell: visit,
      ...(headings ? { heading: visit } : {}),
      html,
      Program: visitComments,
      NewExpression: visitError,
    };
  },
});

/** Matches a comment or line that cannot be wrapped: a directive, or one long word such as an address. */
const CANNOT_WRAP = /eslint-|@ts-|^\W*\S+$/;

/** Checks the length of lines of paragraphs and comments. Tables and code are not checked. */
const lineLength = {
  meta: {
    type: 'layout',
    docs: { description: `at most ${MAX_COLUMNS} columns in a line of prose` },
    messages: { long: `{{columns}} columns in a line of prose, at most ${MAX_COLUMNS}.` },
    schema: [],
  },
  create(context) {
    const { sourceCode } = context;
    const { isGenerated, html } = generated();
    const checkLines = (first, last) => {
      for (let line = first; line <= last; line += 1) {
        const text = sourceCode.lines[line - 1];
        if (text.length <= MAX_COLUMNS || CANNOT_WRAP.test(text)) continue;
        const loc = { start: { line, column: MAX_COLUMNS }, end: { line, column: text.length } };
        context.report({ loc, messageId: 'long', data: { columns: String(text.length) } });
      }
    };
    return {
      paragraph: ({ position }) => isGenerated() || checkLines(position.start.line, position.end.line),
      html,
      Program: () => sourceCode.getAllComments().forEach(({ loc }) => checkLines(loc.start.line, loc.end.line)),
    };
  },
};

const beginning = new RegExp(`^["'“‘(\\[]*(${BEGINNINGS.join('|')})\\b`, 'u');

export default {
  rules: {
    'line-length': lineLength,
    'sentence-length': sentenceRule({
      description: `at most ${MAX_WORDS} words a sentence`,
      messages: { long: `{{words}} words in a sentence, at most ${MAX_WORDS}: "{{begin}} …"` },
      check: (sentence) => {
        const words = wordsOf(sentence);
        if (words.length <= MAX_WORDS) return [];
        return [{ messageId: 'long', data: { words: String(words.length), begin: words.slice(0, 6).join(' ') } }];
      },
    }),
    'sentence-beginning': sentenceRule({
      description: 'a sentence begins with its subject',
      messages: { beginning: 'A sentence that begins with "{{word}}" is hard to read: begin with the subject.' },
      check: (sentence) => {
        const word = beginning.exec(sentence)?.[1];
        return word === undefined ? [] : [{ messageId: 'beginning', data: { word } }];
      },
    }),
    'plain-words': sentenceRule({
      description: 'plain words, and the words of docs/glossary.md',
      messages: { word: 'Instead of "{{word}}" write {{instead}}.' },
      headings: true,
      check: (sentence) =>
        WORDS.flatMap(({ pattern, instead }) =>
          [...sentence.matchAll(new RegExp(`\\b(?:${pattern})\\b`, 'gi'))].map(({ index, 0: word }) => ({
            messageId: 'word',
            data: { word, instead },
            at: index,
            length: word.length,
          })),
        ),
    }),
  },
};
