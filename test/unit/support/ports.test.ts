import { createServer } from 'node:net';
import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from '@jest/globals';
import { freePorts, listen, listenSomewhere } from '../../support/ports.js';

const servers = [createServer(), createServer()] as const;
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
