import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseMetrics } from '../../../src/codec/serverInfo.js';
import { hasReason } from '../../../src/errors/index.js';

describe('the parser of metrics', () => {
  test('accepts or rejects any text', () => {
    const piece = fc.constantFrom(
      'a',
      '{',
      '}',
      '="',
      '"',
      ',',
      ' ',
      '\t',
      '1',
      '# TYPE ',
      '# HELP ',
      'counter',
      '\n',
      '\\',
      'é',
      '__proto__',
      '+Inf',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        try {
          for (const { name } of parseMetrics(pieces.join(''))) expect(typeof name).toBe('string');
        } catch (error) {
          if (!hasReason(error, 'MalformedResponse')) throw error;
        }
      }),
    );
  });

  test('rejects a line at once that is made for exponential backtracking', () => {
    const begun = performance.now();
    expect(() => parseMetrics(`a{${'b="c"   '.repeat(40)}!`)).toThrow('line 1');
    // Backtracking over all alternatives would take 2 ^ 40 steps.
    expect(performance.now() - begun).toBeLessThan(10_000);
  });

  test("accepts labels and names that are JavaScript's own properties", () => {
    const [family] = parseMetrics('__proto__{__proto__="x", constructor="y"} 1');
    expect([family?.name, Object.entries(family?.samples[0]?.labels ?? {})]).toEqual([
      '__proto__',
      [
        ['__proto__', 'x'],
        ['constructor', 'y'],
      ],
    ]);
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });
});
