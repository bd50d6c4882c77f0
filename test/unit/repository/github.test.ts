import { describe, expect, it, test } from '@jest/globals';
import { isLeft } from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { projectRoot } from '../../support/etcd/project.js';

const root = projectRoot();
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** An object with these fields and no others: `exact` drops the others, and the comparison in `shapeOf` finds that. */
const fields = <R extends t.Props, O extends t.Props>(required: R, optional: O) =>
  t.exact(t.intersection([t.type(required), t.partial(optional)]));

/** Parses a YAML file, and fails with the path of each value that the codec rejects or does not know. */
function shapeOf<A>(codec: t.Type<A>, file: string): A {
  const parsed: unknown = parse(read(file), { strict: true, uniqueKeys: true });
  const decoded = codec.decode(parsed);
  if (isLeft(decoded)) throw new Error(decoded.left.map(({ context }) => context.map(({ key }) => key).join('/')).join('\n'));
  expect(decoded.right).toEqual(parsed);
  return decoded.right;
}

const strings = t.array(t.string);
const step = fields({}, { uses: t.string, with: t.record(t.string, t.union([t.string, t.number, t.boolean])), run: t.string });
const job = fields(
  { name: t.string, 'runs-on': t.string, 'timeout-minutes': t.number, steps: t.array(step) },
  { container: t.string, strategy: fields({ matrix: t.record(t.string, strings) }, { 'fail-fast': t.boolean }) },
);
const workflow = fields(
  {
    name: t.string,
    on: fields(
      {},
      {
        push: t.union([t.null, fields({}, { branches: strings })]),
        pull_request: t.null,
        schedule: t.array(fields({ cron: t.string }, {})),
        workflow_dispatch: t.null,
      },
    ),
    permissions: t.record(t.string, t.keyof({ read: null, write: null, none: null })),
    jobs: t.record(t.string, job),
  },
  { concurrency: fields({ group: t.string }, { 'cancel-in-progress': t.union([t.boolean, t.string]) }) },
);

const issueForm = fields(
  {
    name: t.string,
    description: t.string,
    body: t.array(
      fields(
        {
          type: t.keyof({ input: null, textarea: null }),
          id: t.string,
          attributes: fields({ label: t.string }, { description: t.string, placeholder: t.string, render: t.string }),
        },
        { validations: fields({ required: t.boolean }, {}) },
      ),
    ),
  },
  { labels: strings },
);

const updateTypes = t.array(t.keyof({ major: null, minor: null, patch: null }));
const dependabot = fields(
  {
    version: t.literal(2),
    updates: t.array(
      fields(
        {
          'package-ecosystem': t.string,
          directory: t.string,
          schedule: fields({ interval: t.keyof({ daily: null, weekly: null, monthly: null }) }, {}),
          groups: t.record(
            t.string,
            fields(
              {},
              {
                patterns: strings,
                'update-types': updateTypes,
                'dependency-type': t.keyof({ production: null, development: null }),
              },
            ),
          ),
        },
        {
          'commit-message': fields({ prefix: t.string }, {}),
          ignore: t.array(fields({ 'dependency-name': t.string }, { 'update-types': strings })),
        },
      ),
    ),
  },
  {},
);

const yamlIn = (folder: string): string[] =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.yml'))
    .map((name) => `${folder}/${name}`);

const forms = yamlIn('.github/ISSUE_TEMPLATE').filter((file) => !file.endsWith('/config.yml'));

describe('the workflows in .github', () => {
  test.each(yamlIn('.github/workflows'))('%s has only fields that GitHub knows, and each step runs a command', (file) => {
    const { jobs, permissions } = shapeOf(workflow, file);
    expect(permissions).toEqual({ contents: 'read' });
    const steps = Object.values(jobs).flatMap((each) => each.steps);
    expect(steps.length).toBeGreaterThan(0);
    for (const { uses, run } of steps) expect([uses, run].filter((each) => each !== undefined)).toHaveLength(1);
    for (const { uses } of steps) expect(uses ?? '@v1').toMatch(/@v\d+$/);
  });

  it('call .ci/run on the oldest Node that package.json supports, and on newer ones', () => {
    const { jobs } = shapeOf(workflow, '.github/workflows/ci.yml');
    const run = jobs['run'];
    const nodes = run?.strategy?.matrix['node'] ?? [];
    const { engines } = JSON.parse(read('package.json')) as { engines: { node: string } };
    expect(nodes).toEqual(['20', '22', '24']);
    expect(engines.node).toMatch(new RegExp(`^>=${nodes[0] ?? ''}\\.`));
    expect(run?.container).toContain('${{ matrix.node }}');
    expect(run?.steps.at(-1)?.run).toBe('.ci/run');
  });

  it('keep the downloaded servers in a cache', () => {
    const { jobs } = shapeOf(workflow, '.github/workflows/ci.yml');
    const cached = (jobs['run']?.steps ?? []).flatMap((each) => String(each.with?.['path'] ?? '').split('\n'));
    expect(cached).toEqual(expect.arrayContaining(['.cache/etcd', '.cache/proxies']));
  });
});

describe('the issue forms in .github', () => {
  test.each(forms)('%s has only fields that GitHub knows, with unique ids and labels', (file) => {
    const { body } = shapeOf(issueForm, file);
    expect(body.length).toBeGreaterThan(0);
    expect(new Set(body.map(({ id }) => id)).size).toBe(body.length);
    expect(new Set(body.map(({ attributes }) => attributes.label)).size).toBe(body.length);
  });

  it('link to pages of this repository that exist', () => {
    const contact = fields({ name: t.string, url: t.string, about: t.string }, {});
    const config = fields({ blank_issues_enabled: t.boolean, contact_links: t.array(contact) }, {});
    const { contact_links } = shapeOf(config, '.github/ISSUE_TEMPLATE/config.yml');
    const { homepage } = JSON.parse(read('package.json')) as { homepage: string };
    const repository = homepage.replace(/#.*$/, '');
    for (const { url } of contact_links) {
      expect(url.startsWith(`${repository}/`)).toBe(true);
      const page = /\/blob\/main\/(.+)$/.exec(url)?.[1];
      if (page !== undefined) expect(existsSync(join(root, page))).toBe(true);
    }
  });
});

describe('.github/dependabot.yml', () => {
  it('updates npm packages and actions in groups', () => {
    const { updates } = shapeOf(dependabot, '.github/dependabot.yml');
    expect(updates.map((each) => each['package-ecosystem'])).toEqual(['npm', 'github-actions']);
    for (const { groups } of updates) expect(Object.keys(groups).length).toBeGreaterThan(0);
  });
});
