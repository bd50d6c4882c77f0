import type { Written } from '../watchGuarantees.js';

/** The keys that tell who wrote: the first put of every write, with all that the write did as its value. */
export const MARKS = 'm/';

/** A write as its mark tells it. */
export interface Mark {
  readonly writer: string;
  readonly number: number;
  /** What it changed beside the mark: keys put (with the mark's value), and keys deleted. */
  readonly puts: readonly string[];
  readonly deletes: readonly string[];
}

export const markKey = (writer: string): string => MARKS + writer;

export const markValue = (mark: Mark): string => JSON.stringify(mark);

export const readMark = (value: string): Mark => JSON.parse(value) as Mark;

/** All that a write changes. */
export function changesOf(mark: Mark): readonly Written[] {
  const value = markValue(mark);
  const put = (key: string): Written => ({ type: 'put', key, value });
  return [put(markKey(mark.writer)), ...mark.puts.map(put), ...mark.deletes.map((key): Written => ({ type: 'delete', key, value: '' }))];
}

/** What tells a write from all others. */
export const idOf = ({ writer, number }: Pick<Mark, 'writer' | 'number'>): string => `${writer} ${number}`;
