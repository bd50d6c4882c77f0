import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { lastValueFrom, mergeMap, range } from 'rxjs';
import { Pool } from 'undici';
import { bareCall } from './calls.js';
import { keyOf } from './fill.js';

/** Writes from a separate process, so that its cost does not count for the reader. */
export interface Writer {
  /** Puts one key after another, in turn. Resolves when they are written. */
  write(order: Order): Promise<void>;
  end(): Promise<void>;
}

export interface Order {
  readonly prefix: string;
  readonly puts: number;
  /** The number of keys that it writes. */
  readonly keys: number;
}

const IN_FLIGHT = 4;
const ARGUMENT = '--writer';

export function startWriter(endpoint: string): Writer {
  const child = fork(fileURLToPath(import.meta.url), [ARGUMENT, endpoint], { stdio: 'inherit' });
  return {
    write: async (order) => {
      const written = once(child, 'message');
      child.send(order);
      await written;
    },
    end: async () => {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

if (process.argv[2] === ARGUMENT) {
  const pool = new Pool(process.argv[3] ?? '', { connections: IN_FLIGHT });
  const write = ({ prefix, puts, keys }: Order): Promise<unknown> =>
    lastValueFrom(
      range(0, puts).pipe(
        mergeMap(
          (index) => bareCall(pool, '/v3/kv/put', { key: btoa(keyOf(prefix, index % keys)), value: btoa(String(index)) }),
          IN_FLIGHT,
        ),
      ),
    );
  process.on('message', (order: Order) => void write(order).then(() => process.send?.('written')));
  process.on('disconnect', () => void pool.destroy());
}
