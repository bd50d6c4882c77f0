import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../../../support/random.js';
import type { Scene } from './scene.js';
import { waitFor } from '../../../support/waitFor.js';

export type Lane = 'up' | 'down';

/** The kinds of faults. */
export type Fault =
  | { readonly kind: 'cut'; readonly lane: Lane; readonly afterBytes: number }
  /** Passes nothing on until the client has noticed. */
  | { readonly kind: 'stall'; readonly lane: Lane }
  | { readonly kind: 'refuse'; readonly ms: number }
  | { readonly kind: 'kill' }
  /** Compacts while the client is disconnected. */
  | { readonly kind: 'compact' };

export type FaultKind = Fault['kind'];

/** The weight of each kind. */
export type Weights = Readonly<Partial<Record<FaultKind, number>>>;

/**
 * Returns a schedule of faults, which is the same for the same seed. It draws from a deck, and begins a new deck when
 * that is empty, so every kind occurs soon.
 */
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
      // Small numbers hit the handshake and the creates, large ones the middle of messages.
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

/** The part of the client that a fault uses. */
export interface Witness {
  /** The number of streams that the client has lost. */
  readonly losses: () => number;
  /** Makes the client send something: a new watch. */
  readonly ask: () => void;
  /** Compacts events that some of its watches have not received; these receive nothing during that time. */
  readonly overtake: () => Promise<void>;
}

/** Causes the fault; resolves when it is over. */
export async function strike(fault: Fault, { proxy, server }: Scene, { losses, ask, overtake }: Witness): Promise<void> {
  switch (fault.kind) {
    case 'cut': {
      const lane = proxy[fault.lane];
      const target = lane.bytes + fault.afterBytes;
      lane.cutAfter(fault.afterBytes);
      // The client sends little as long as nothing fails, so the cut hits what it sends when it reconnects.
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
      // It does not wait until the client has noticed: on 3.3 all its watches may be waiting for a new token, and have no
      // stream to lose.
      await proxy.refuse();
      await overtake();
      return proxy.accept();
  }
}
