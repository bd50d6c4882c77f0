/** `@jest/globals` in a page: collects tests as jest does, and runs them one after the other. */
import { expect } from 'expect';

export { expect };

/** In a page there are no mocks. */
export const jest = {
  spyOn: (): never => {
    throw new Error('there are no mocks in a page');
  },
};

type Run = () => unknown;

interface Hooks {
  readonly beforeAll: Run[];
  readonly beforeEach: Run[];
  readonly afterEach: Run[];
  readonly afterAll: Run[];
}

class Block implements Hooks {
  readonly beforeAll: Run[] = [];
  readonly beforeEach: Run[] = [];
  readonly afterEach: Run[] = [];
  readonly afterAll: Run[] = [];
  readonly children: (Block | Test)[] = [];

  constructor(
    readonly title: string,
    readonly parent: Block | undefined,
  ) {}

  get lineage(): readonly Block[] {
    return [...(this.parent?.lineage ?? []), this];
  }
}

interface Test {
  readonly title: string;
  readonly run: Run;
}

/** The outcome of a test. `error` is undefined if it passed. */
export interface TestResult {
  readonly title: string;
  readonly error: string | undefined;
}

/** The timeout of a test that hangs. The test that awaits the result has more time. */
const TIMEOUT_MS = 240_000;

const file = new Block('', undefined);
let current = file;

const fullTitle = (block: Block, { title }: { readonly title: string }): string =>
  [...block.lineage.map((each) => each.title), title].filter((part) => part !== '').join(' › ');

function addBlock(title: string, define: () => void): void {
  const block = new Block(title, current);
  current.children.push(block);
  current = block;
  define();
  current = block.parent ?? file;
}

const addTest = (title: string, run: Run): void => void current.children.push({ title, run });

type Table = readonly unknown[];
type EachBody = (...row: never[]) => unknown;

/** Adds `each` as jest has it: a row that is a list has several arguments. */
function withEach<B extends Run>(add: (title: string, body: B) => void) {
  const each = (table: Table) => (title: string, body: EachBody) => {
    for (const [index, row] of table.entries()) {
      const values = (Array.isArray(row) ? row : [row]) as never[];
      add(titleOf(title, values, index), (() => body(...values)) as B);
    }
  };
  return Object.assign(add, { each });
}

/** Fills the placeholders of a title. */
function titleOf(title: string, values: readonly unknown[], index: number): string {
  const rest = [...values];
  const filled = title.replace(/%([sdijpo#])/g, (_, kind: string) => {
    if (kind === '#') return String(index);
    const value = rest.shift();
    return typeof value === 'string' && kind === 's' ? value : value === undefined ? 'undefined' : JSON.stringify(value);
  });
  return filled.replace(/\$([a-zA-Z]+)/g, (whole, name: string) => {
    const value: unknown = (values[0] as Record<string, unknown> | undefined)?.[name];
    return value === undefined ? whole : typeof value === 'string' ? value : JSON.stringify(value);
  });
}

export const describe = withEach(addBlock);
export const test = withEach(addTest);
export const it = test;
export const beforeAll = (run: Run): void => void current.beforeAll.push(run);
export const beforeEach = (run: Run): void => void current.beforeEach.push(run);
export const afterEach = (run: Run): void => void current.afterEach.push(run);
export const afterAll = (run: Run): void => void current.afterAll.push(run);

/** Returns the titles of all tests, in their order. */
const titles = (block: Block = file): string[] =>
  block.children.flatMap((child) => (child instanceof Block ? titles(child) : [fullTitle(block, child)]));

/** Runs all tests but those whose titles begin as given, and reports each result. */
async function run(report: (result: TestResult) => unknown, leftOut: readonly string[], block: Block = file): Promise<void> {
  const isLeftOut = (title: string): boolean => leftOut.some((beginning) => title.startsWith(beginning));
  if (titles(block).every(isLeftOut)) return;
  const failed = await errorOf(() => inTurn(block.beforeAll));
  for (const child of block.children) {
    if (child instanceof Block) await run(failed === undefined ? report : ({ title }) => report({ title, error: failed }), leftOut, child);
    else if (!isLeftOut(fullTitle(block, child)))
      await report({ title: fullTitle(block, child), error: failed ?? (await outcomeOf(child, block.lineage)) });
  }
  const error = await errorOf(() => inTurn(block.afterAll));
  if (error !== undefined) await report({ title: `after ${block.title === '' ? 'all' : block.title}`, error });
}

/** Runs one test with the hooks around it. Resolves with its error. */
async function outcomeOf(child: Test, lineage: readonly Block[]): Promise<string | undefined> {
  const error = await errorOf(async () => {
    await inTurn(lineage.flatMap(({ beforeEach: hooks }) => hooks));
    await child.run();
  });
  const after = await errorOf(() => inTurn(lineage.toReversed().flatMap(({ afterEach: hooks }) => hooks)));
  return error ?? after;
}

async function inTurn(hooks: readonly Run[]): Promise<void> {
  for (const hook of hooks) await hook();
}

/** Resolves with the error of a function in words, or with undefined. */
async function errorOf(body: () => Promise<void>): Promise<string | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
  });
  try {
    await Promise.race([body(), late]);
    return undefined;
  } catch (error) {
    return error instanceof Error ? `${error.message}\n${error.stack}` : String(error);
  } finally {
    clearTimeout(timer);
  }
}

const suite = { titles, run };
export type PageSuite = typeof suite;
Object.assign(globalThis, { suite });
