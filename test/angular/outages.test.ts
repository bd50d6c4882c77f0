import { describe, expect, test } from '@jest/globals';
import { closeBrowserAtEnd, WAYS, withApp, type Way } from './support.js';

closeBrowserAtEnd();

describe.each(WAYS)('the Angular app with etcd %s, %s', (...way: Way) => {
  const bench = withApp(way);

  test('shows the last value as stale while the server is down, and catches up when it is back', async () => {
    const { etcd, open, put } = bench();
    await put('app/config', { title: 'Before', color: 'teal' });
    const app = await open();
    await app.shows('#config h2', 'Before');
    await etcd.kill();
    await app.shows('#config .status', 'stale');
    await app.shows('#config .error', /./);
    await app.shows('#config h2', 'Before');
    await app.shows('#connection', 'reconnecting');
    await etcd.restart();
    await put('app/config', { title: 'After', color: 'teal' });
    await app.shows('#config h2', 'After');
    await app.shows('#config .status', 'live');
    await app.shows('#connection', 'connected');
  });

  test('catches up after the history that it missed was compacted', async () => {
    const { admin, open, proxy, put, run } = bench();
    await put('app/config', { title: 'Before', color: 'teal' });
    await put('services/old', 'x');
    const app = await open();
    await app.shows('#services li', 'old');
    await proxy.refuse();
    await app.shows('#config .status', 'stale');
    await put('app/config', { title: 'Between', color: 'teal' });
    await run(admin.kv.delete('services/old'));
    await put('services/new', 'x');
    await put('app/config', { title: 'After', color: 'teal' });
    const { header } = await run(admin.kv.put('compacted', ''));
    await run(admin.kv.compact(header.revision));
    await proxy.accept();
    await app.shows('#config h2', 'After');
    await app.shows('#services li', 'new');
    await app.hides('#services li', 'old');
    await app.shows('#services .status', 'live');
  });

  test('detects a server that stops responding, and recovers when it responds again', async () => {
    const { etcd, open, put } = bench();
    await put('app/config', { title: 'Before', color: 'teal' });
    const app = await open();
    await app.shows('#config h2', 'Before');
    await etcd.pause();
    await app.click('#config', 'crimson');
    await app.shows('#written', 'writing');
    await app.shows('#config .status', 'stale');
    await etcd.resume();
    // The server may carry the write out now, so later changes come after it.
    await app.shows('#written', /written in|Error/);
    await app.shows('#config .status', 'live');
    await put('app/config', { title: 'After', color: 'goldenrod' });
    await app.shows('#config h2', 'After');
    await app.shows('#config .status', 'live');
    expect(await app.write('teal')).toBeGreaterThanOrEqual(0);
    await app.shows('#config h2', 'Painted teal');
  });
});
