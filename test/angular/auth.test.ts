import { beforeAll, describe, expect, test } from '@jest/globals';
import { concat } from 'rxjs';
import { createClient } from '../../src/index.js';
import { closeBrowserAtEnd, WAYS, withApp, type AppPage, type Way } from './support.js';
import { PATIENT } from '../support/patient.js';

closeBrowserAtEnd();

const root = { username: 'root', password: 'secret' };

async function signIn(app: AppPage, password: string): Promise<void> {
  await app.page.fill('input[name=username]', root.username);
  await app.page.fill('input[name=password]', password);
  await app.click('#sign-in', 'Sign in');
}

describe.each(WAYS)('the Angular app with auth, etcd %s, %s', (...way: Way) => {
  const bench = withApp(way, { auth: root });

  beforeAll(async () => {
    const { etcd, run } = bench();
    const { auth, close } = createClient({ ...PATIENT, endpoints: etcd.endpoint });
    await run(concat(auth.userAdd('root', { password: root.password }), auth.userGrantRole('root', 'root'), auth.enable()));
    await close();
  });

  test('shows a login form, refuses a wrong password, and follows the config after the right one', async () => {
    const { open, put } = bench();
    await put('app/config', { title: 'Secret', color: 'teal' });
    const app = await open({ login: true });
    await signIn(app, 'wrong');
    await app.shows('#sign-in .error', 'The user or the password is wrong.');
    expect(await app.page.locator('#config').count()).toBe(0);
    await signIn(app, root.password);
    await app.shows('#config h2', 'Secret');
    await app.shows('#config .status', 'live');
    await app.write('crimson');
    await app.shows('#config h2', 'Painted crimson');
  });

  test('makes calls while it has more watches than a browser has connections to a host', async () => {
    const { open, put } = bench();
    const rooms = Array.from({ length: 12 }, (_, index) => `room-${index}`);
    for (const [index, room] of rooms.entries()) await put(`rooms/${room}`, index);
    const app = await open({ login: true, rooms });
    await signIn(app, root.password);
    await app.page.locator('#rooms [data-status=live]').first().waitFor();
    const writes: number[] = [];
    for (const color of ['teal', 'crimson', 'goldenrod', 'teal', 'crimson']) writes.push(await app.write(color));
    // The limit is for a quiet machine, so the quickest write counts; a call without a connection would wait for minutes.
    expect(Math.min(...writes)).toBeLessThan(500);
  });
});
