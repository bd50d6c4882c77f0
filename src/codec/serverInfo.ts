import type { Context, Decoder, Errors, Validation } from 'io-ts';
import { EtcdError, type ErrorDetails } from '../errors/index.js';
import { isRecord } from '../model/validate.js';
import { isRight, left, right } from '../util/either.js';
import { INVALID, WireType } from './descriptors.js';
import { string } from './scalars.js';

/** A field of an {@link InfoType}. */
interface InfoField {
  readonly key: string;
  readonly type: Decoder<unknown, unknown>;
  readonly required: boolean;
}

/**
 * The decoder of a response that is not from an RPC. The response must have the required fields, and unknown fields are
 * kept. The decoder does not use io-ts's own types, so that a program need not load io-ts for its first call.
 */
class InfoType<A> implements Decoder<unknown, A> {
  constructor(
    readonly name: string,
    private readonly fields: readonly InfoField[],
  ) {}

  validate(input: unknown, context: Context): Validation<A> {
    if (!isRecord(input)) return left([{ value: input, context }]);
    const out: Record<string, unknown> = { ...input };
    const errors: Errors = [];
    for (const { key, type, required } of this.fields) {
      const actual = input[key];
      if (actual === undefined && !required) continue;
      const decoded = type.validate(actual, [...context, { key, type, actual }]);
      if (isRight(decoded)) out[key] = decoded.right;
      else errors.push(...decoded.left);
    }
    return errors.length === 0 ? right(out as A) : left(errors);
  }

  decode(input: unknown): Validation<A> {
    return this.validate(input, [{ key: '', type: this, actual: input }]);
  }
}

/** The response of `GET /version`, which has no prefix and needs no token. */
export interface ServerVersion {
  /** The version of this server, such as `3.5.30`. */
  etcdserver: string;
  /** The version on which all members have agreed, such as `3.5.0`. Before they have agreed, it is `not_decided`. */
  etcdcluster: string;
  /** The version of the storage format, since etcd 3.6. */
  storage?: string;
}

export const ServerVersion: Decoder<unknown, ServerVersion> = new InfoType('ServerVersion', [
  { key: 'etcdserver', type: string, required: true },
  { key: 'etcdcluster', type: string, required: true },
  { key: 'storage', type: string, required: false },
]);

/** A boolean. Most servers send it as the text `"true"` or `"false"`. */
const flag = new WireType<boolean>(
  'true or false',
  { is: 'bool' },
  () => false,
  (input) => {
    if (input === true || input === 'true') return true;
    return input === false || input === 'false' ? false : INVALID;
  },
  String,
);

/** The response of `GET /health`, with status 200 or 503. */
export interface ServerHealth {
  /** Whether the server is healthy. */
  health: boolean;
  /** The cause if the server is unhealthy. Some healthy servers send an empty text. */
  reason?: string;
}

export const ServerHealth: Decoder<unknown, ServerHealth> = new InfoType('ServerHealth', [
  { key: 'health', type: flag, required: true },
  { key: 'reason', type: string, required: false },
]);

/** A sample of a metric: a number with a set of labels. */
export interface MetricSample {
  /**
   * The name of the metric, with the suffix of histograms and summaries, such as
   * `etcd_disk_wal_fsync_duration_seconds_bucket`.
   */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** The timestamp in milliseconds, if there is one. */
  readonly timestamp?: number;
}

/** A metric with its samples. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary' | 'untyped';
  readonly samples: readonly MetricSample[];
}

const NAME = String.raw`[a-zA-Z_:][a-zA-Z0-9_:]*`;
const LABEL = String.raw`[a-zA-Z_][a-zA-Z0-9_]*\s*=\s*"(?:[^"\\\n]|\\.)*"`;
const COMMENT = new RegExp(String.raw`^#\s+(HELP|TYPE)\s+(${NAME})(?:\s+(.*))?$`);
/**
 * Matches a sample. The expression has only one way to match white space. With two ways, a malicious line would take
 * very long.
 */
const SAMPLE = new RegExp(String.raw`^(${NAME})\s*(?:\{\s*((?:${LABEL}\s*(?:,\s*)?)*)\})?\s+(\S+)(?:\s+(-?\d+))?$`);
const LABELS = /([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\\n]|\\.)*)"/g;
const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'] as const;

interface Building {
  name: string;
  help: string;
  type: MetricFamily['type'];
  samples: MetricSample[];
}

/**
 * Parses Prometheus' text format (0.0.4), which is the format of `GET /metrics`. Every line must be valid.
 *
 * @param where the RPC and endpoint of errors
 * @throws EtcdError `MalformedResponse` with the number of the invalid line
 */
export function parseMetrics(text: string, where: ErrorDetails = {}): readonly MetricFamily[] {
  const families = new Map<string, Building>();
  const family = (name: string): Building => {
    const known = families.get(name) ?? { name, help: '', type: 'untyped', samples: [] };
    families.set(name, known);
    return known;
  };
  text.split('\n').forEach((raw, index) => {
    const line = raw.trim();
    const comment = COMMENT.exec(line);
    if (comment !== null) describe(family(comment[2] ?? ''), comment[1] ?? '', comment[3] ?? '', () => malformed(index, where));
    else if (line !== '' && !line.startsWith('#')) {
      const sample = readSample(line, index, where);
      (families.get(sample.name) ?? families.get(sample.name.replace(/_(?:bucket|sum|count)$/, '')) ?? family(sample.name)).samples.push(
        sample,
      );
    }
  });
  return [...families.values()];
}

function describe(family: Building, what: string, text: string, refuse: () => never): void {
  if (what === 'HELP') family.help = text.replace(/\\(n|\\)/g, (_, char) => (char === 'n' ? '\n' : '\\'));
  else family.type = TYPES.find((type) => type === text) ?? refuse();
}

function readSample(line: string, index: number, where: ErrorDetails): MetricSample {
  const match = SAMPLE.exec(line);
  if (match === null) return malformed(index, where);
  const [, name = '', labels = '', number = '', timestamp] = match;
  const value = readNumber(number);
  if (value === undefined) return malformed(index, where);
  const pairs = [...labels.matchAll(LABELS)].map(([, label = '', text = '']) => [label, unescape(text)] as const);
  return { name, labels: Object.fromEntries(pairs), value, ...(timestamp === undefined ? {} : { timestamp: Number(timestamp) }) };
}

function readNumber(text: string): number | undefined {
  if (text === '+Inf' || text === 'Inf') return Infinity;
  if (text === '-Inf') return -Infinity;
  if (text === 'NaN') return NaN;
  const value = Number(text);
  return Number.isNaN(value) ? undefined : value;
}

const unescape = (text: string): string => text.replace(/\\(n|"|\\)/g, (_, char: string) => (char === 'n' ? '\n' : char));

function malformed(index: number, where: ErrorDetails): never {
  throw new EtcdError('MalformedResponse', `line ${index + 1} is not in Prometheus' text format`, where);
}
