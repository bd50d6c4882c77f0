import { spawn, type ChildProcess } from 'node:child_process';
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { idToHex, type LeaseId } from 'rxetcd';
import { etcdctl, findTools } from '../support/etcd/index.js';
import { cleanEnv } from '../support/etcd/run.js';
import { withEtcd } from './support/fixture.js';
import { Holder } from './support/holding.js';
import { only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const holder = new Holder();
const children: ChildProcess[] = [];
let tool: string;

beforeAll(async () => {
  const { version } = fixture.server;
  tool = (await findTools(fixture.server.kind === 'process' ? version : version.split('.').slice(0, 2).join('.'))).etcdctl;
});

afterEach(async () => {
  holder.letGo();
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }
});

/** Starts an etcdctl that keeps running while it holds something. */
function start(...args: readonly string[]) {
  const child = spawn(tool, ['--endpoints', fixture.server.endpoint, ...args], {
    env: cleanEnv({ ETCDCTL_API: '3' }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const running = {
    output: '',
    ended: false,
    lines: () => running.output.split('\n').filter((line) => line !== ''),
    interrupt: () => void child.kill('SIGINT'),
  };
  for (const pipe of [child.stdout, child.stderr]) pipe.on('data', (chunk: Buffer) => (running.output += chunk.toString()));
  child.on('exit', () => (running.ended = true));
  return running;
}

const prefix = (name: string) => fixture.etcd.kv.range({ prefix: `${name}/` }, { sortTarget: 'CREATE' });
const queued = (name: string, count: number) =>
  waitForValue(
    () => only(prefix(name)),
    ({ kvs }) => kvs.length === count,
  );
const layout = (name: string, lease: LeaseId | undefined) => `${name}/${lease === undefined ? '' : idToHex(lease)}`;
const TTL = { ttl: 30 };

describe('etcdctl lock', () => {
  test('excludes our lock, and passes it to us when it is interrupted', async () => {
    const theirs = start('lock', 'shop/theirs-first');
    await waitForValue(
      () => theirs.lines(),
      ({ length }) => length === 1,
    );
    const ours = holder.hold(fixture.etcd.lock('shop/theirs-first', TTL));
    const { kvs } = await queued('shop/theirs-first', 2);
    // It prints the key of its queue entry, which has the same form as ours.
    expect(theirs.lines()).toEqual([kvs[0]?.key]);
    expect(kvs.map(({ key, value }) => [key, value])).toEqual(kvs.map(({ lease }) => [layout('shop/theirs-first', lease), '']));
    expect(ours.values).toEqual([]);
    theirs.interrupt();
    expect((await ours.first()).key).toBe(kvs[1]?.key);
  });

  test('is excluded by our lock, and acquires it after our release', async () => {
    const ours = holder.hold(fixture.etcd.lock('shop/ours-first', TTL));
    await ours.first();
    const theirs = start('lock', 'shop/ours-first');
    const { kvs } = await queued('shop/ours-first', 2);
    expect(theirs.lines()).toEqual([]);
    ours.leave();
    await waitForValue(
      () => theirs.lines(),
      ({ length }) => length === 1,
    );
    expect(theirs.lines()).toEqual([kvs[1]?.key]);
  });

  test('waits in one queue with our waiters', async () => {
    const name = 'shop/mixed';
    const first = holder.hold(fixture.etcd.lock(name, TTL));
    await first.first();
    const second = start('lock', name, 'echo', 'second');
    await queued(name, 2);
    const third = holder.hold(fixture.etcd.lock(name, TTL));
    await queued(name, 3);
    const fourth = start('lock', name, 'echo', 'fourth');
    await queued(name, 4);
    first.leave();
    await third.first();
    await waitForValue(() => second.ended, Boolean);
    await waitForValue(() => second.output, (output) => output === 'second\n'); // prettier-ignore
    expect(fourth.output).toBe('');
    third.leave();
    await waitForValue(() => fourth.output, (output) => output === 'fourth\n'); // prettier-ignore
    await queued(name, 0);
  });

  test('is not acquired by an rxetcd client with `wait: false`', async () => {
    const theirs = start('lock', 'shop/try');
    await waitForValue(
      () => theirs.lines(),
      ({ length }) => length === 1,
    );
    expect(await holder.hold(fixture.etcd.tryLock('shop/try', TTL)).failure()).toMatchObject({ reason: 'Locked' });
    await queued('shop/try', 1);
  });

  test('whose process dies passes its lock to us when its lease expires', async () => {
    const theirs = start('lock', '--ttl', '5', 'shop/dies');
    await waitForValue(
      () => theirs.lines(),
      ({ length }) => length === 1,
    );
    const ours = holder.hold(fixture.etcd.lock('shop/dies', TTL));
    await queued('shop/dies', 2);
    children.at(-1)?.kill('SIGKILL');
    await ours.first();
  });
});

describe('etcdctl elect', () => {
  test('leads before our candidates, and they lead after it', async () => {
    const name = 'vote/theirs-first';
    const theirs = start('elect', name, 'theirs');
    await waitForValue(
      () => theirs.lines(),
      ({ length }) => length === 2,
    );
    const ours = holder.hold(fixture.etcd.election(name).campaign('ours', TTL));
    const { kvs } = await queued(name, 2);
    expect(theirs.lines()).toEqual([kvs[0]?.key, 'theirs']);
    expect(kvs.map(({ key, value }) => [key, value])).toEqual(
      kvs.map(({ lease }, index) => [layout(name, lease), index === 0 ? 'theirs' : 'ours']),
    );
    expect(ours.values).toEqual([]);
    theirs.interrupt();
    await ours.first();
  });

  test('waits while our client leads', async () => {
    const name = 'vote/ours-first';
    const leadership = await holder.hold(fixture.etcd.election(name).campaign('ours', TTL)).first();
    const theirs = start('elect', name, 'theirs');
    await queued(name, 2);
    expect(theirs.lines()).toEqual([]);
    await only(leadership.resign());
    await waitForValue(
      () => theirs.lines(),
      ({ length }) => length === 2,
    );
    expect(theirs.lines()[1]).toBe('theirs');
  });

  test('-l shows our leaders and their proclamations, and leader$ shows those of etcdctl', async () => {
    const name = 'vote/listen';
    const election = fixture.etcd.election(name);
    const leaders = holder.hold(election.leader$);
    const campaign = holder.hold(election.campaign('ours', TTL));
    const leadership = await campaign.first();
    const listening = start('elect', '-l', name);
    await waitForValue(
      () => listening.lines(),
      (lines) => lines.includes('ours'),
    );
    await only(leadership.proclaim('ours again'));
    await waitForValue(
      () => listening.lines(),
      (lines) => lines.includes('ours again'),
    );
    expect(listening.lines()[0]).toBe(leadership.key);
    const theirs = start('elect', name, 'theirs');
    await queued(name, 2);
    await only(leadership.resign());
    await waitForValue(
      () => theirs.lines(),
      ({ length }) => length === 2,
    );
    await waitForValue(
      () => listening.lines(),
      (lines) => lines.includes('theirs'),
    );
    await waitForValue(
      () => leaders.values.map((kv) => kv?.value),
      (values) => values.at(-1) === 'theirs',
    );
    expect(leaders.values.map((kv) => kv?.value).slice(-3)).toEqual(['ours', 'ours again', 'theirs']);
  });
});

test('etcdctl lists our leases and their keys', async () => {
  const held = holder.hold(fixture.etcd.lock('shop/lease', TTL));
  const { lease, key } = await held.first();
  const { stdout } = await etcdctl(fixture.server, ['lease', 'timetolive', idToHex(lease), '--keys']);
  // etcdctl pads an id; a key has the id without padding.
  expect(stdout).toContain(`lease ${idToHex(lease).padStart(16, '0')} granted with TTL(30s)`);
  expect(stdout).toContain(key);
});
