import type { Written } from '../watchGuarantees.js';

/** The prefix of the marks. A mark is the first put of every write; its value describes the whole write. */
export const MARKS = 'm/';

/** A write, as its mark describes it. */
export interface Mark {
  readonly writer: string;
  readonly number: number;
  /** The other changes of the write: keys put (with the mark's value), and keys deleted. */
  readonly puts: readonly string[];
  readonly deletes: readonly string[];
}

export const markKey = (writer: string): string => MARKS + writer;

export const markValue = (mark: Mark): string => JSON.stringify(mark);

export const readMark = (value: string): Mark => JSON.parse(value) as Mark;

/** Returns all changes of a write. */
export function changesOf(mark: Mark): readonly Written[] {
  const value = markValue(mark);
  const put = (key: string): Written => ({ type: 'put', key, value });
  return [put(markKey(mark.writer)), ...mark.puts.map(put), ...mark.deletes.map((key): Written => ({ type: 'delete', key, value: '' }))];
}

/** Returns a text that identifies a write. */
export const idOf = ({ writer, number }: Pick<Mark, 'writer' | 'number'>): string => `${writer} ${number}`;
