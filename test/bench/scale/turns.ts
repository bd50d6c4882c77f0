import { setImmediate as nextTurn } from 'node:timers/promises';

/** What a program does in one turn of the event loop. Its own turns are not to be the longest. */
const PER_TURN = 500;

/** Runs something for each index below `count`, some of them a turn. */
export async function inTurns(count: number, run: (index: number) => void): Promise<void> {
  for (let index = 0; index < count; index++) {
    run(index);
    if (index % PER_TURN === PER_TURN - 1) await nextTurn();
  }
}
