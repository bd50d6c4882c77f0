import { expect, test } from '@jest/globals';
import { NEVER } from 'rxjs';
import { keepIdleRead } from '../../src/idleRead.js';
import { atEndOfTurn } from '../../src/transport/endOfTurn.js';
import type { HttpRequest, Transport } from '../../src/transport/http/transport.js';

/** A transport that tells what it was asked, and never answers. */
function unconnected(asked: HttpRequest[]): Transport {
  return {
    exchange: (request) => {
      asked.push(request);
      return NEVER;
    },
    stream: () => NEVER,
    duplex: () => NEVER,
    release: () => undefined,
    close: () => Promise.resolve(),
  };
}

test('a program keeps one read that waits, however many clients it makes', async () => {
  const first: HttpRequest[] = [];
  const second: HttpRequest[] = [];
  keepIdleRead(() => unconnected(first));
  keepIdleRead(() => unconnected(second));
  await new Promise<void>(atEndOfTurn);
  expect(first.map(({ method, path }) => `${method} ${path}`)).toEqual(['POST /v3/kv/range']);
  expect(second).toEqual([]);
});
