import { afterAll, describe, expect, test } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import { createClient as createInBrowser } from '../../../src/index.browser.js';
import { createClient as createInNode } from '../../../src/index.js';
import { callAt, isStream, METHODS, methodsOf, OF_WHAT_IS_MADE } from '../fuzz/arguments.js';

const OPTIONS = { endpoints: 'http://127.0.0.1:1', retry: false } as const;
const page = createInBrowser(OPTIONS);
const node = createInNode(OPTIONS);
afterAll(() => Promise.all([page.close(), node.close()]));

/** How an argument is rejected: by a thrown error or by an Observable, and with which message. */
async function refusal(give: () => unknown): Promise<string> {
  let given: unknown;
  try {
    given = give();
  } catch (error) {
    return `throws ${String(error)}`;
  }
  if (!isStream(given)) return 'returns';
  return firstValueFrom(given).then(
    () => 'emits',
    (error: unknown) => `errors with ${String(error)}`,
  );
}

describe('a client whose parts are loaded on demand', () => {
  test('has the methods of a client with all parts', () => {
    expect(methodsOf(page).toSorted()).toEqual(methodsOf(node).toSorted());
    for (const [path, [make]] of Object.entries(OF_WHAT_IS_MADE))
      expect([path, Object.keys(make(page)).toSorted()]).toEqual([path, Object.keys(make(node)).toSorted()]);
  });

  // Live ranges use the same code on both sides, and some of their methods emit an error as a value.
  test.each(Object.keys(METHODS).filter((path) => !/live/i.test(path)))(
    'rejects arguments of %s as a client with all parts does',
    async (path) => {
      const wrong = METHODS[path]?.map(() => Symbol('wrong')) ?? [];
      const expected = await refusal(() => callAt(node, path, wrong));
      expect(expected).toMatch(/^(throws|errors with) /);
      expect(await refusal(() => callAt(page, path, wrong))).toBe(expected);
    },
  );

  test('rejects an invalid double barrier or registry as a client with all parts does', async () => {
    for (const [path, args] of [
      ['doubleBarrier', ['n', 128]],
      ['services', ['n', { onValid: () => undefined }]],
    ] as const)
      expect(await refusal(() => callAt(page, path, args))).toBe(await refusal(() => callAt(node, path, args)));
  });

  test('has nothing to release before its leases are loaded', async () => {
    const other = createInBrowser(OPTIONS);
    const lock = firstValueFrom(other.lock('n'));
    const failure = expect(lock).rejects.toMatchObject({ reason: 'ClientClosed' });
    expect(await other.close()).toEqual({ released: 0, unreleased: [] });
    await failure;
  });
});
