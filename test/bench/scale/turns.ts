import { setImmediate as nextTurn } from 'node:timers/promises';

/** The calls of a program in one turn of the event loop, few enough that the turn does not stall it. */
const PER_TURN = 500;

/** Runs something for each index below `count`, some of them per turn. */
export async function inTurns(count: number, run: (index: number) => void): Promise<void> {
  for (let index = 0; index < count; index++) {
    run(index);
    if (index % PER_TURN === PER_TURN - 1) await nextTurn();
  }
}
