import { EtcdError } from '../../src/errors/index.js';

/** The error for a wrong argument of an operator; thrown when the operator is made, not when its stream runs. */
export function invalid(operator: string, problem: string): EtcdError {
  return new EtcdError('InvalidArgument', `${operator}: ${problem}`);
}
