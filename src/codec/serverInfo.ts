import { EtcdError, type ErrorDetails } from '../errors/index.js';
import * as t from 'io-ts';
import { left, right } from '../util/either.js';

/** The response of `GET /version`, which has no prefix and needs no token. */
export const ServerVersion = t.intersection(
  [
    t.type({
      /** The version of this server, such as `3.5.30`. */
      etcdserver: t.string,
      /** The version that all members agree on, such as `3.5.0`; `not_decided` before they do. */
      etcdcluster: t.string,
    }),
    // Since etcd 3.6.
    t.partial({ storage: t.string }),
  ],
  'ServerVersion',
);
export type ServerVersion = t.TypeOf<typeof ServerVersion>;

/** A boolean, or `"true"` or `"false"`, as most servers send it. */
const Flag = new t.Type<boolean, string, unknown>(
  'true or false',
  (input): input is boolean => typeof input === 'boolean',
  (input, context) => {
    if (input === true || input === 'true') return right(true);
    if (input === false || input === 'false') return right(false);
    return left([{ value: input, context }]);
  },
  String,
);

/** The response of `GET /health`, with status 200 or 503. */
export const ServerHealth = t.intersection(
  [
    t.type({ health: Flag }),
    // The reason of being unhealthy. Some servers send an empty text if they are healthy.
    t.partial({ reason: t.string }),
  ],
  'ServerHealth',
);
export type ServerHealth = t.TypeOf<typeof ServerHealth>;

/** A sample of a metric: one number under a set of labels. */
export interface MetricSample {
  /** The name with the suffix of histograms and summaries, such as `etcd_disk_wal_fsync_duration_seconds_bucket`. */
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
/** Matches white space in only one way. With two ways, a malicious line would take very long. */
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
 * Parses Prometheus' text format (0.0.4), the format of `GET /metrics`, strictly.
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
  throw new EtcdError('MalformedResponse', `line ${index + 1} is not of Prometheus' text format`, where);
}
