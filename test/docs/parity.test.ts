import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createClient, type Client } from 'rxetcd';
import { NAMES, rowsOf } from '../support/docs/parityNames.js';
import { make, pageOf, TABLES } from '../support/docs/parity.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { projectRoot } from '../support/etcd/project.js';

/** Generated again by `UPDATE_DOCS=1 npx jest test/docs/parity`. */
const PAGE = join(projectRoot(), 'docs/parity.md');

describe('docs/parity.md', () => {
  it('is as the table of calls has it', () => {
    const page = pageOf(TABLES);
    if (process.env['UPDATE_DOCS'] !== undefined) writeFileSync(PAGE, page);
    expect(readFileSync(PAGE, 'utf8')).toBe(page);
  });
});

describe.each(Object.entries(NAMES))('the table has each public name of', (source, names) => {
  const words = new Set(
    Object.entries(TABLES).flatMap(([table, rows]) =>
      rows.filter(({ theirs }) => rowsOf(source, table, theirs)).flatMap(({ theirs }) => theirs.split(/[^\p{L}\p{N}_]+/u)),
    ),
  );

  it(source, () => {
    expect(names.split(/\s+/).filter((name) => !words.has(name))).toEqual([]);
  });
});

describe.each(Object.entries(TABLES))('the calls beside those of %s', (_, rows) => {
  let server: EtcdServer;
  let etcd: Client;
  beforeAll(async () => {
    server = await startEtcd({ own: true, version: '3.5' });
    etcd = createClient({ endpoints: server.endpoint });
    await etcd.promises.kv.put('parity/a', '1');
  });
  afterAll(async () => {
    await etcd.close();
    await server.stop();
  });

  const calls = rows.filter((row) => 'call' in row);
  it.each(calls.map((row) => [row.theirs, row] as const))('%s', async (_name, row) => {
    await make(etcd, row);
  });
});
