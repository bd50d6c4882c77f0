import { afterAll, beforeAll, describe, expect, it, test } from '@jest/globals';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isObservable } from 'rxjs';
import { createClient, type Client } from '../../../src/index.js';
import { codeOf, EtcdError, SERVER_REASONS, type Reason } from '../../../src/errors/index.js';
import { settingsOf } from '../../../src/options/clientOptions.js';
import { retryAction } from '../../../src/transport/retryPolicy.js';
import * as operators from '../../../operators/index.js';
import { blocksOf, scratchFolder, writeBlock } from '../../support/docs/blocks.js';
import { projectRoot } from '../../support/etcd/project.js';
import { run } from '../../support/etcd/index.js';

const root = projectRoot();
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** The cells of all tables of a page, row by row. */
const rowsOf = (page: string): string[][] =>
  read(page)
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

/** Returns the text between the first pair of backticks. */
const codeIn = (cell: string | undefined): string => /`([^`]+)`/.exec(cell ?? '')?.[1] ?? '';

describe('the ts blocks of README.md and docs', () => {
  const blocks = pages.filter((page) => page === 'README.md' || page.startsWith('docs/')).flatMap(blocksOf);

  let folder: string;
  beforeAll(() => {
    folder = scratchFolder();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('compile', async () => {
    expect(blocks.length).toBeGreaterThan(10);
    const files = blocks.map((block) => writeBlock(folder, block));
    const config = {
      extends: '../../tsconfig.json',
      compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
      files,
      include: [],
      exclude: [],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const { stdout } = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--pretty', 'false', '-p', folder], {
      cwd: root,
      timeoutMs: 300_000,
    });
    expect(stdout.split('\n').filter((line) => line !== '')).toEqual([]);
  }, 360_000);
});

describe('the links in the docs', () => {
  const anchorOf = (heading: string): string =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-');

  test.each(pages)('lead to existing pages: %s', (page) => {
    const dead = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => match[1] ?? '')
      .filter((target) => !target.startsWith('https://'))
      .filter((target) => {
        const [file = '', anchor] = target.split('#');
        const path = file === '' ? page : join(dirname(page), file);
        if (!existsSync(join(root, path))) return true;
        return anchor !== undefined && ![...read(path).matchAll(/^#+ (.*)$/gm)].some((match) => anchorOf(match[1] ?? '') === anchor);
      });
    expect(dead).toEqual([]);
  });
});

describe('the files that the docs name', () => {
  test.each(pages)('exist: %s', (page) => {
    const named = [...read(page).matchAll(/`((?:src|operators|test|examples|\.ci)\/[\w./-]+)`/g)].map(([, path = '']) => path);
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});

describe('docs/errors.md', () => {
  const documented = rowsOf('docs/errors.md')
    .filter((row) => row.length === 4)
    .map(([reason, code]) => [codeIn(reason), codeIn(code)])
    .filter(([reason]) => reason !== '');

  /** Only the type checker knows the table of rxetcd's own names, so they are read from the source. */
  const ownReasons = [
    ...(/const CLIENT_ERRORS = \{(.*?)^\}/ms.exec(read('src/errors/reasons.ts'))?.[1] ?? '').matchAll(/^ {2}(\w+): '/gm),
  ].map((match) => match[1] as Reason);

  const reasons: readonly Reason[] = [...SERVER_REASONS, ...ownReasons];

  it('has every reason, with its code', () => {
    expect(ownReasons).toContain('AmbiguousWrite');
    expect(documented.toSorted()).toEqual(reasons.map((reason) => [reason, codeOf(reason)]).toSorted());
  });

  it('states what rxetcd does by itself for each reason that is not simply an error', () => {
    const section = /^## Retries$(.*?)^## /ms.exec(read('docs/errors.md'))?.[1] ?? '';
    const untold = reasons
      .map((reason) => new EtcdError(reason, ''))
      .filter((error) => (['read', 'write'] as const).some((safety) => retryAction(error, safety, true) !== 'fail'))
      .filter(({ reason, code }) => ![reason, code].some((name) => section.includes(`\`${name}\``)));
    expect(untold.map(({ reason }) => reason)).toEqual([]);
  });
});

describe('docs/errors.md and the RPCs', () => {
  it('lists those that only read', async () => {
    const files = readdirSync(join(root, 'src/codec')).map((name) => name.replace(/\.ts$/, '.js'));
    const modules = await Promise.all(files.map((name): Promise<object> => import(`../../../src/codec/${name}`)));
    const rpcs = modules
      .flatMap((module) => Object.entries<unknown>({ ...module }))
      .filter(([name]) => name.endsWith('Rpcs'))
      .flatMap(([, service]) => Object.values(service as Record<string, { name: string; safety: string }>));
    expect(rpcs.length).toBeGreaterThan(30);
    const reads = new Set(rpcs.filter(({ safety }) => safety === 'read').map(({ name }) => name));
    const listed = /^Reads are (.*?) A request by/ms.exec(read('docs/errors.md'))?.[1] ?? '';
    expect([...listed.matchAll(/`(\w+\.\w+)`/g)].map(([, name]) => name).toSorted()).toEqual([...reads].toSorted());
  });
});

describe('docs/api.md', () => {
  let etcd: Client;
  beforeAll(() => {
    etcd = createClient();
  });
  afterAll(() => etcd.close());

  it('has a row for every method, and no others', () => {
    const methods = Object.entries(etcd)
      .flatMap(([name, value]) => {
        if (isObservable(value)) return [name];
        // `lease` is both: a function, and the service of that name.
        const own = Object.keys(value as object).map((method) => `${name}.${method}`);
        return typeof value === 'function' ? [name, ...own] : own;
      })
      .toSorted();
    const documented = rowsOf('docs/api.md')
      .map(([first]) => /^`((?:\w+\.)?\w+(?=\()|\w+\$(?=`))/.exec(first ?? '')?.[1] ?? '')
      .filter((name) => name !== '');
    expect(documented.toSorted()).toEqual(methods);
  });

  it('has every option, with its default', () => {
    const rows = rowsOf('docs/api.md').filter((row) => row.length === 4 && /^`\w+`$/.test(row[0] ?? ''));
    const documented = new Map(rows.map(([option, , fallback]) => [codeIn(option), codeIn(fallback)]));
    let message = '';
    try {
      createClient({ nonsense: true } as object);
    } catch (error) {
      message = String(error);
    }
    const options = (/options (.*), received/.exec(message)?.[1] ?? '').split(', ');
    expect([...documented.keys()]).toEqual(options);

    const { endpoints, headers, streams, ...numbers } = settingsOf({});
    expect(documented.get('endpoints')).toBe(`'${endpoints.join()}'`);
    expect(documented.get('userAgent')).toBe(`'${headers['user-agent']}'`);
    const inNumbers = [
      'connectTimeoutMs',
      'requestTimeoutMs',
      'maxPendingCalls',
      'closeTimeoutMs',
      'attemptTimeoutMs',
      'maxConnections',
      'keepAliveMs',
      'maxResponseBytes',
    ] as const;
    for (const option of inNumbers) {
      expect([option, documented.get(option)]).toEqual([option, String(numbers[option])]);
    }

    const ofStreams = rowsOf('docs/api.md').filter(([option]) => option?.startsWith('`streams.'));
    expect(ofStreams.map(([option, , fallback]) => [codeIn(option), codeIn(fallback)])).toEqual(
      Object.entries(streams).map(([option, value]) => [`streams.${option}`, typeof value === 'string' ? `'${value}'` : String(value)]),
    );
  });

  it.each(['docs/api.md', 'docs/operators.md', 'CHANGELOG.md'])('and its kin name every operator: %s', (page) => {
    expect(Object.keys(operators).filter((name) => !read(page).includes(`\`${name}\``))).toEqual([]);
  });
});
