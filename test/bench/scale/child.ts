import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Figures, Who } from '../scenario.js';
import { collectGarbage } from '../heap.js';
import type { ScaleStage } from './scenario.js';
import { scaleScenarios } from './scenarios/index.js';

/** One measurement; it is sent to the process that runs it. */
export interface Order {
  readonly scenario: string;
  readonly who: Who;
  readonly stage: ScaleStage;
}

const ARGUMENT = '--scale-child';
const LIMIT_MS = 300_000;

type Answer = { readonly figures: Figures } | { readonly error: string };

/** Measures in a separate process: the heap, CPU and stalls of one measurement do not disturb another. */
export function measureInChild(order: Order): Promise<Figures> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), [ARGUMENT], { stdio: 'inherit' });
    const name = `${order.scenario}, ${order.who}, size ${order.stage.size}`;
    const limit = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${name}: not done within ${LIMIT_MS / 1000} s`));
    }, LIMIT_MS);
    child.once('message', (answer: Answer) =>
      'figures' in answer ? resolve(answer.figures) : reject(new Error(`${name}: ${answer.error}`)),
    );
    child.once('exit', (code) => {
      clearTimeout(limit);
      reject(new Error(`${name}: the process ended with ${String(code)}, without figures`));
    });
    child.send(order);
  });
}

async function answerTo({ scenario, who, stage }: Order): Promise<Answer> {
  try {
    const measure = scaleScenarios.find(({ name }) => name === scenario)?.subjects[who];
    if (measure === undefined) throw new Error(`${scenario} has no subject ${who}`);
    collectGarbage();
    return { figures: await measure(stage) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

if (process.argv[2] === ARGUMENT) {
  process.once('message', (order: Order) => {
    void answerTo(order).then((answer) => process.send?.(answer, () => process.exit()));
  });
}
