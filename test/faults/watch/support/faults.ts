import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../../../support/random.js';
import type { Scene } from './scene.js';
import { waitFor } from '../../../support/waitFor.js';

export type Lane = 'up' | 'down';

/** What goes wrong. */
export type Fault =
  | { readonly kind: 'cut'; readonly lane: Lane; readonly afterBytes: number }
  /** Until the client has noticed. */
  | { readonly kind: 'stall'; readonly lane: Lane }
  | { readonly kind: 'refuse'; readonly ms: number }
  | { readonly kind: 'kill' }
  /** While the client is away. */
  | { readonly kind: 'compact' };

export type FaultKind = Fault['kind'];

/** How often each, beside the others. */
export type Weights = Readonly<Partial<Record<FaultKind, number>>>;

/** A schedule of faults, the same for the same seed. It draws from a deck, and from a new one when that is through: so every kind has its turn soon. */
export function faultsOf(random: Random, weights: Weights): () => Fault {
  const deck: FaultKind[] = [];
  return () => {
    if (deck.length === 0)
      deck.push(...Object.entries(weights).flatMap(([kind, weight]) => Array.from({ length: weight }, () => kind as FaultKind)));
    const [kind = 'cut'] = deck.splice(random.int(0, deck.length - 1), 1);
    return faultOf(kind, random);
  };
}

function faultOf(kind: FaultKind, random: Random): Fault {
  switch (kind) {
    case 'cut': {
      const lane = random.chance(0.7) ? 'down' : 'up';
      // Short ones hit the handshake and the creates, long ones the middle of messages.
      const most = random.pick(lane === 'down' ? [300, 3_000, 50_000] : [200, 1_200]);
      return { kind, lane, afterBytes: random.int(1, most) };
    }
    case 'stall':
      return { kind, lane: random.pick(['up', 'down']) };
    case 'refuse':
      return { kind, ms: random.int(10, 250) };
    case 'kill':
    case 'compact':
      return { kind };
  }
}

/** What a fault needs to know of the client. */
export interface Witness {
  /** How many streams it has lost. */
  readonly losses: () => number;
  /** Makes it send something: a new watch. */
  readonly ask: () => void;
  /** Compacts away what some of its watches have not had yet, who get nothing meanwhile. */
  readonly overtake: () => Promise<void>;
}

/** Lets it happen; resolves when it is over. */
export async function strike(fault: Fault, { proxy, server }: Scene, { losses, ask, overtake }: Witness): Promise<void> {
  switch (fault.kind) {
    case 'cut': {
      const lane = proxy[fault.lane];
      const target = lane.bytes + fault.afterBytes;
      lane.cutAfter(fault.afterBytes);
      // Little goes up as long as all goes well: it hits what the client says when it comes back.
      if (fault.lane === 'up') proxy.cut();
      await waitFor(`cut ${fault.lane} after ${fault.afterBytes} bytes`, () => lane.bytes >= target);
      return;
    }
    case 'stall': {
      const before = losses();
      proxy[fault.lane].stall();
      ask();
      await waitFor(`the client has noticed that nothing goes ${fault.lane}`, () => losses() > before);
      return proxy[fault.lane].resume();
    }
    case 'refuse':
      await proxy.refuse();
      await delay(fault.ms);
      return proxy.accept();
    case 'kill':
      await server.kill();
      return server.restart();
    case 'compact':
      // Whether the client has noticed is not asked: on 3.3 all its watches may be waiting for a new token, and have no stream to lose.
      await proxy.refuse();
      await overtake();
      return proxy.accept();
  }
}
