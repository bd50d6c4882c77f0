import { RangeResponse } from '../../../src/codec/kv.js';
import { INVALID } from '../../../src/codec/descriptors.js';
import { keyOf, VALUE } from '../fill.js';
import type { Figures, Scenario } from '../scenario.js';

const PREFIX = 'bench/decode/';
const KEYS = 5_000;
const EACH = KEYS * (VALUE.length + keyOf(PREFIX, 0).length);

/**
 * Checked decoding of a range without a server: our codec, beside the lowest possible cost, which is `JSON.parse` and
 * the base64 of every key and value.
 */
export const decodeScenario: Scenario = {
  name: 'decode',
  rows: [{ name: 'decode', unit: 'ms', better: 'less' }],
  rounds: { full: 201, quick: 15, warmUp: 20 },
  prepare: async () => {
    const text = rangeText();
    return {
      sides: { ours: async () => timed(() => readOurs(text)), floor: async () => timed(() => readLeast(text)) },
      end: async () => undefined,
    };
  },
};

function timed(read: () => number): Figures {
  const start = performance.now();
  const size = read();
  const decode = performance.now() - start;
  if (size !== EACH) throw new Error(`read ${size} characters`);
  return { decode };
}

function readOurs(text: string): number {
  const answer = RangeResponse.read(JSON.parse(text));
  if (answer === INVALID) throw new Error('not a RangeResponse');
  return answer.kvs.reduce((size, { key, value }) => size + key.length + value.length, 0);
}

interface Wire {
  readonly kvs: readonly { readonly key: string; readonly value: string }[];
}

const decode = (base64: string): string => Buffer.from(base64, 'base64').toString();

function readLeast(text: string): number {
  const { kvs } = JSON.parse(text) as Wire;
  return kvs.reduce((size, { key, value }) => size + decode(key).length + decode(value).length, 0);
}

/** Returns a response of etcd in the JSON of its gateway. */
function rangeText(): string {
  const kvs = Array.from({ length: KEYS }, (_, index) => ({
    key: btoa(keyOf(PREFIX, index)),
    create_revision: String(100_000 + index),
    mod_revision: String(200_000 + index),
    version: '3',
    value: btoa(VALUE),
  }));
  const header = { cluster_id: '14841639068965178418', member_id: '10276657743932975437', revision: '300000', raft_term: '2' };
  return JSON.stringify({ header, kvs, count: String(KEYS) });
}
