import type { InvalidValueError } from '../errors/index.js';
import { checkArgument, checkName, checkOptions, FUNCTION, type OptionKinds, wholeNumber } from '../model/validate.js';

/** The options of `services`, for entries that are not valid endpoints. */
export interface ServicesOptions {
  /** Called for each entry that is not a valid endpoint. The entry is left out of the result in any case. */
  readonly onInvalid?: (error: InvalidValueError) => void;
}

const SERVICES: OptionKinds<ServicesOptions> = { onInvalid: FUNCTION };

/**
 * The maximum number of members of a round. The txn that begins a round compares the key of each member and one further
 * key. By default, etcd accepts 128 compares.
 */
const MAX_MEMBERS = 127;

/**
 * The checks of the arguments of methods that return an object. They throw at once. They are in a separate module,
 * because a page loads the methods later and has to check the arguments before.
 *
 * @throws EtcdError `InvalidArgument`
 */
export const checkedArguments = {
  election: (name: string): void => checkName('an election', name),
  barrier: (name: string): void => checkName('a barrier', name),
  doubleBarrier: (name: string, count: number): void => {
    checkName('a double barrier', name);
    checkArgument('doubleBarrier', 'count', count, wholeNumber(1, MAX_MEMBERS));
  },
  queue: (name: string): void => checkName('a queue', name),
  priorityQueue: (name: string): void => checkName('a priority queue', name),
  services: (target: string, options: ServicesOptions): ServicesOptions => {
    checkName('a service', target);
    return checkOptions('services', options, SERVICES);
  },
};
