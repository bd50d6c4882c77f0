import { pathToFileURL } from 'node:url';
import { RangeResponse } from '../../src/codec/kv.js';
import { INVALID } from '../../src/codec/wire.js';

/**
 * What checked decoding costs: a range of 5 000 keys through our codec, beside the least that anyone could do with it, which is `JSON.parse` and the base64 of every
 * key and value. Run it by `npx tsx test/bench/decode.ts`.
 */

const KEYS = 5_000;
const VALUE_BYTES = 256;
const ROUNDS = 201;
const WARM_UP = 40;

export interface DecodeResult {
  /** Ours divided by the least possible. */
  readonly ratio: number;
  readonly oursMs: number;
  readonly leastMs: number;
  readonly rounds: number;
}

/** Both ways in turn, so that whatever else the machine does falls on both alike; medians. */
export function measureDecode(rounds: number = ROUNDS): DecodeResult {
  const text = rangeOf(KEYS);
  const ours: number[] = [];
  const least: number[] = [];
  for (let round = -WARM_UP; round < rounds; round++) {
    // Each goes first every other time: who comes second may have to collect the garbage of the first.
    const order = round % 2 === 0 ? [readOurs, readLeast] : [readLeast, readOurs];
    for (const read of order) {
      const start = performance.now();
      const size = read(text);
      const took = performance.now() - start;
      if (size !== KEYS * (VALUE_BYTES + key(0).length)) throw new Error(`read ${size} characters`);
      if (round >= 0) (read === readOurs ? ours : least).push(took);
    }
  }
  const oursMs = median(ours);
  const leastMs = median(least);
  return { ratio: oursMs / leastMs, oursMs, leastMs, rounds };
}

function readOurs(text: string): number {
  const answer = RangeResponse.read(JSON.parse(text));
  if (answer === INVALID) throw new Error('not a RangeResponse');
  let size = 0;
  for (const { key, value } of answer.kvs) size += key.length + value.length;
  return size;
}

interface Wire {
  readonly kvs: readonly { readonly key: string; readonly value: string }[];
}

function readLeast(text: string): number {
  const { kvs } = JSON.parse(text) as Wire;
  let size = 0;
  for (const { key, value } of kvs) size += Buffer.from(key, 'base64').toString().length + Buffer.from(value, 'base64').toString().length;
  return size;
}

const key = (index: number): string => `app/services/${String(index).padStart(6, '0')}`;

function rangeOf(count: number): string {
  const kvs = Array.from({ length: count }, (_, index) => ({
    key: Buffer.from(key(index)).toString('base64'),
    create_revision: String(100_000 + index),
    mod_revision: String(200_000 + index),
    version: '3',
    value: Buffer.from(`${index}`.padEnd(VALUE_BYTES, 'abcdefghij ')).toString('base64'),
  }));
  const header = { cluster_id: '14841639068965178418', member_id: '10276657743932975437', revision: '300000', raft_term: '2' };
  return JSON.stringify({ header, kvs, count: String(count) });
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { ratio, oursMs, leastMs, rounds } = measureDecode();
  console.log(`${KEYS} keys with values of ${VALUE_BYTES} bytes, median of ${rounds} rounds`);
  console.log(`JSON.parse and base64 of keys and values   ${leastMs.toFixed(2)} ms`);
  console.log(`RangeResponse.read, each key and value     ${oursMs.toFixed(2)} ms`);
  console.log(`ratio                                      ${ratio.toFixed(3)}`);
}
