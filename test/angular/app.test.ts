import { describe, expect, test } from '@jest/globals';
import { idToHex } from '../../src/index.js';
import { waitForValue } from '../support/waitFor.js';
import { allWatchesLeft, closeBrowserAtEnd, WAYS, watchersAt, withApp, type Way } from './support.js';

closeBrowserAtEnd();

describe.each(WAYS)('the Angular app with etcd %s, %s', (...way: Way) => {
  const bench = withApp(way);

  test('repaints the page as the config changes, and shows an invalid value beside the last valid one', async () => {
    const { admin, open, put, run } = bench();
    await run(admin.kv.delete('app/config'));
    const app = await open();
    await app.shows('#config h2', 'No config');
    await app.shows('#config .status', 'live');
    await put('app/config', { title: 'From outside', color: 'rgb(1, 2, 3)' });
    await app.shows('#config h2', 'From outside');
    await app.isPainted('rgb(1, 2, 3)');

    await put('app/config', { title: 'Wrong', color: 7 });
    await app.shows('#config .status', 'invalid');
    await app.shows('#config .error', /color/);
    await app.shows('#config h2', 'From outside');
    await app.isPainted('rgb(1, 2, 3)');

    await app.write('teal');
    await app.shows('#config h2', 'Painted teal');
    await app.isPainted('rgb(0, 128, 128)');
    await app.hides('#config .error', /./);
    expect((await run(admin.kv.get('app/config')))?.value).toBe('{"title":"Painted teal","color":"teal"}');

    await app.write('delete');
    await app.shows('#config h2', 'No config');
    await app.shows('#config .status', 'live');
    await app.isPainted('rgb(112, 128, 144)');
  });

  test('lists the registered services with their leases, including its own', async () => {
    const { admin, open, run } = bench();
    const { id } = await run(admin.lease.grant(60));
    await run(admin.kv.put('services/db', 'db:5432', { lease: id }));
    const app = await open();
    await app.shows('#services li', `db db:5432`);
    await app.shows('#services .lease', new RegExp(`${idToHex(id)}\\s+of 60 s`));
    await run(admin.lease.revoke(id));
    await app.hides('#services li', 'db:5432');
    await app.click('#services', 'register this page');
    await app.shows('#services li', /page-\d+ .* of 15 s/);
    await app.click('#services', 'remove this page');
    await app.shows('#services li', 'none');
  });

  test('acquires a lock in turn with another page', async () => {
    const { open } = bench();
    const [first, second] = [await open(), await open()];
    await first.click('#lock', 'take');
    await first.shows('#lock', /fencing token \d+/);
    await second.click('#lock', 'take');
    await second.shows('#lock .status', 'waiting');
    await first.click('#lock', 'release');
    await second.shows('#lock .status', 'held');
    await second.click('#lock', 'release');
    await second.shows('#lock .status', 'free');
  });

  test('leaves no watch on the server when the page is left', async () => {
    const { etcd, open } = bench();
    await allWatchesLeft(bench());
    const app = await open();
    await app.shows('#config .status', 'live');
    await waitForValue(
      () => watchersAt(etcd),
      (count) => count === 2,
    );
    await app.page.goto('about:blank');
    await allWatchesLeft(bench());
  });

  test('shows the changes that were made while the page was frozen', async () => {
    const { open, put } = bench();
    const app = await open();
    await put('app/config', { title: 'Before', color: 'teal' });
    await app.shows('#config h2', 'Before');
    // Headless Chromium never freezes a page, so the test dispatches these events.
    await app.page.evaluate("document.dispatchEvent(new Event('freeze'))");
    await allWatchesLeft(bench());
    await put('app/config', { title: 'Meanwhile', color: 'teal' });
    await app.shows('#config h2', 'Before');
    await app.page.evaluate("document.dispatchEvent(new Event('resume'))");
    await app.shows('#config h2', 'Meanwhile');
    await app.shows('#config .status', 'live');
  });
});
