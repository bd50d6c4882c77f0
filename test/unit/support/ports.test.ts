import { createServer } from 'node:net';
import { readFileSync } from 'node:fs';
import { afterAll, expect, jest, test } from '@jest/globals';
import { freePorts, listen, listenSomewhere } from '../../support/ports.js';

const servers = [createServer(), createServer(), createServer(), createServer()] as const;
afterAll(() => servers.forEach((server) => server.close()));

test('no port is assigned twice, and none of those that the kernel uses for outgoing connections', async () => {
  const ports = [...(await freePorts(50)), ...(await freePorts(50)), await listenSomewhere(servers[0])];
  expect(new Set(ports).size).toBe(101);
  if (process.platform !== 'linux') return;
  const [low = 0] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split('\t').map(Number);
  expect(ports.filter((port) => port >= low)).toEqual([]);
});

test('a held port is refused to the next caller', async () => {
  const port = await listenSomewhere(servers[1]);
  await expect(listen(createServer(), port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

test('a port that another process holds is skipped', async () => {
  const chance = jest.spyOn(Math, 'random').mockReturnValueOnce(0.5);
  const port = await listenSomewhere(servers[2]);
  jest.resetModules();
  // Acts as another process, which does not know that the port is reserved.
  const { listenSomewhere: inAnother } = await import('../../support/ports.js');
  chance.mockReturnValueOnce(0.5);
  const another = await inAnother(servers[3]);
  expect(chance.mock.calls.length).toBeGreaterThan(2);
  expect(another).not.toBe(port);
});
