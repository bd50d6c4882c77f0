import { createServer } from 'node:net';
import { readFileSync } from 'node:fs';
import { afterAll, expect, jest, test } from '@jest/globals';
import { freePorts, listen, listenSomewhere } from '../../support/ports.js';

const servers = [createServer(), createServer(), createServer(), createServer()] as const;
afterAll(() => servers.forEach((server) => server.close()));

test('no port is given twice, and none that the kernel gives to outgoing connections', async () => {
  const ports = [...(await freePorts(50)), ...(await freePorts(50)), await listenSomewhere(servers[0])];
  expect(new Set(ports).size).toBe(101);
  if (process.platform !== 'linux') return;
  const [low = 0] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split('\t').map(Number);
  expect(ports.filter((port) => port >= low)).toEqual([]);
});

test('a port that is held is refused to the next', async () => {
  const port = await listenSomewhere(servers[1]);
  await expect(listen(createServer(), port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

test('a port that somebody else holds is passed over', async () => {
  const chance = jest.spyOn(Math, 'random').mockReturnValueOnce(0.5);
  const port = await listenSomewhere(servers[2]);
  jest.resetModules();
  // As another process, which does not know that it was given.
  const { listenSomewhere: inAnother } = await import('../../support/ports.js');
  chance.mockReturnValueOnce(0.5);
  const another = await inAnother(servers[3]);
  expect(chance.mock.calls.length).toBeGreaterThan(2);
  expect(another).not.toBe(port);
});
