import { isEtcdError } from '../../../src/errors/index.js';
import { toBytes } from '../../../src/model/bytes.js';
import { KeyValue } from '../../../src/model/keyValue.js';

/** The trace of a side: a line for each step, and one for each watch. */
export type Trace = readonly string[];

/** Writes responses and errors as text that is the same for two servers, with revisions counted from a base. */
export class Notes {
  readonly lines: string[] = [];

  /** @param hidden other texts that differ between servers, with their replacements */
  constructor(
    readonly base: number,
    private readonly hidden: ReadonlyMap<string, string> = new Map(),
  ) {}

  /** Writes a response as text. */
  text(value: unknown): string {
    return JSON.stringify(this.plain(value));
  }

  /** Writes an error of the server as text. Throws all others. */
  failure(error: unknown): string {
    if (!isEtcdError(error)) throw error;
    return `${error.reason} ${error.code}: ${error.message.replace(/ \([^()]*\)$/, '')}`;
  }

  async outcome(answer: Promise<unknown>): Promise<string> {
    try {
      return this.text(await answer);
    } catch (error) {
      return this.failure(error);
    }
  }

  private plain(value: unknown, name = ''): unknown {
    if (typeof value === 'string') return this.hidden.get(value) ?? value;
    if (typeof value === 'number')
      return /rev(ision)?$/i.test(name) && value !== 0 ? `r${value - this.base}` : name === 'ttl' ? Math.ceil(value / 10) : value;
    if (value instanceof Uint8Array) return hex(value);
    if (value instanceof KeyValue) {
      const { keyBytes, valueBytes, createRevision, modRevision, version, lease } = value;
      return this.plain({ key: keyBytes, value: valueBytes, createRevision, modRevision, version, lease });
    }
    if (Array.isArray(value)) {
      const items = value.map((item: unknown) => this.plain(item));
      // etcd lists the keys of a lease, and the alarms, in no order.
      if (name === 'keys') return items.sort();
      return name === 'alarms' ? items.map((item) => JSON.stringify(item)).sort() : items;
    }
    if (typeof value !== 'object' || value === null) return value;
    if (name === 'header') return this.plain((value as { readonly revision: number }).revision, 'revision');
    const fields = Object.entries(value).map(([field, of]: [string, unknown]): [string, unknown] => [field, this.plain(of, field)]);
    return Object.fromEntries(fields.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

const hex = (bytes: Uint8Array): string =>
  String.fromCharCode(...toBytes(bytes)).replace(/[^ -~]/g, (char) => `\\x${char.charCodeAt(0).toString(16)}`);
