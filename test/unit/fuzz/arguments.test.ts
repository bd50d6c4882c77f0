import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { catchError, filter, firstValueFrom, map, of, race, timer } from 'rxjs';
import { createClient, hasReason, type Client } from '../../../src/index.js';
import { startFakeServer, type FakeServer } from '../../support/fakes/fakeServer.js';
import { callAt, type Argument, isStream, METHODS, methodsOf, OF_WHAT_IS_MADE, THROW } from './arguments.js';
import { junk, SECRET } from './junk.js';

/**
 * A client, and a server that records requests. Each describe block has separate ones, as valid arguments leave leases
 * to be released.
 */
function withServer() {
  const made: { server?: FakeServer; client?: Client } = {};
  beforeAll(async () => {
    made.server = await startFakeServer();
    made.client = createClient({ endpoints: made.server.endpoint, retry: false });
  });
  afterAll(async () => {
    await made.client?.close();
    await made.server?.close();
  });
  return () => {
    if (made.server === undefined || made.client === undefined) throw new Error('it is not started yet');
    return { server: made.server, client: made.client };
  };
}

/** How a call was rejected: the error, if any, and whether it was thrown. */
interface Answer {
  readonly thrown: boolean;
  readonly error: unknown;
}

async function answerTo(give: () => unknown, patienceMs: number): Promise<Answer> {
  let given: unknown;
  try {
    given = give();
  } catch (error) {
    return { thrown: true, error };
  }
  if (!isStream(given)) return { thrown: false, error: undefined };
  return firstValueFrom(
    race(
      given.pipe(
        map((value) => ({ thrown: false, error: errorIn(value) })),
        filter(({ error }) => error !== undefined),
        catchError((error: unknown) => of({ thrown: false, error })),
      ),
      timer(patienceMs).pipe(map(() => ({ thrown: false, error: undefined }))),
    ),
    { defaultValue: { thrown: false, error: undefined } },
  );
}

/** A state that never fails reports the error in what it emits. */
const errorIn = (value: unknown): unknown => (value instanceof Object ? Reflect.get(value, 'error') : undefined);

interface Case {
  readonly path: string;
  readonly args: readonly Argument[];
  readonly give: (client: Client, args: readonly unknown[]) => unknown;
}

const cases: readonly Case[] = [
  ...Object.entries(METHODS).map(([path, args]): Case => ({ path, args, give: (client, given) => callAt(client, path, given) })),
  ...Object.entries(OF_WHAT_IS_MADE).map(([path, [make, args]]): Case => ({
    path,
    args,
    give: (client, given) => callAt(make(client), path.slice(path.indexOf('.') + 1), given),
  })),
];

describe('invalid arguments', () => {
  const made = withServer();

  test('are tried with every method of a client', () => {
    const without = ['close', 'endpoints', 'requestProgress', 'sync', 'withAuth'];
    expect(Object.keys(METHODS).sort()).toEqual(
      methodsOf(made().client)
        .filter((path) => !without.includes(path))
        .sort(),
    );
  });

  test.each(cases)(
    'are rejected at once by $path, with an error that does not contain them, and nothing is sent',
    async ({ path, args, give }) => {
      const { server, client } = made();
      const right = args.map(([value]) => value);
      await fc.assert(
        fc.asyncProperty(fc.nat(args.length - 1), junk, async (at, wrong) => {
          fc.pre(args[at]?.[1].right(wrong) === false);
          const { thrown, error } = await answerTo(() => give(client, right.with(at, wrong)), 1_000);
          expect(hasReason(error, 'InvalidArgument', 'InvalidOption') || error).toBe(true);
          expect(thrown).toBe(THROW.has(path));
          expect(String(error)).not.toContain(SECRET);
        }),
        { numRuns: 40 },
      );
      expect(server.requests).toEqual([]);
    },
  );
});

describe('valid arguments', () => {
  const made = withServer();

  test.each(cases)('are accepted by $path', async ({ args, give }) => {
    const { server, client } = made();
    client.setEndpoints(server.endpoint);
    const { error } = await answerTo(
      () =>
        give(
          client,
          args.map(([value]) => value),
        ),
      0,
    );
    expect(hasReason(error, 'InvalidArgument', 'InvalidOption') && error.message).toBe(false);
  });
});
