import { readFileSync } from 'node:fs';
import { EtcdError } from '../../errors/index.js';
import { isRecord } from '../../codec/message.js';
import { byteLength } from '../../model/bytes.js';

/** The maximum length of a request, and therefore of a value, in bytes. */
const MAX_BYTES = 1.5 * 2 ** 20;

/**
 * Reads keys from a file, which is one JSON object of keys and values. A value that is a string is stored unchanged,
 * and any other value is stored as JSON.
 *
 * @throws EtcdError `InvalidArgument` that names the file, the line and the key
 */
export function readSeed(file: string): ReadonlyMap<string, string> {
  const text = readText(file);
  const seed = new Map(
    Object.entries(objectIn(file, text)).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
  for (const [key, value] of seed) {
    const where = `${file}:${lineOf(text, text.indexOf(JSON.stringify(key)))}: key ${JSON.stringify(key)}`;
    if (key === '') throw invalid(`${where}: expected a key that is not empty`);
    const bytes = byteLength(key) + byteLength(value);
    if (bytes > MAX_BYTES) throw invalid(`${where}: expected at most ${MAX_BYTES} bytes with its value, received ${bytes}`);
  }
  return seed;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw invalid(`${file}: expected a file that can be read: ${messageOf(error)}`);
  }
}

function objectIn(file: string, text: string): Readonly<Record<string, unknown>> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    // Some messages of the JSON parser have no position.
    const at = /position (\d+)/.exec(messageOf(error))?.[1];
    throw invalid(`${file}${at === undefined ? '' : `:${lineOf(text, Number(at))}`}: expected JSON: ${messageOf(error)}`);
  }
  if (isRecord(json)) return json;
  throw invalid(`${file}:1: expected an object of keys and values, such as {"app/color": "red"}`);
}

const lineOf = (text: string, at: number): number => text.slice(0, Math.max(0, at)).split('\n').length;
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const invalid = (message: string): EtcdError => new EtcdError('InvalidArgument', message);
