import { EtcdError } from '../../src/errors/index.js';

/** The error for a value of the source that an operator can do nothing with. What the operator itself is given, `checkArgument` and `checkOptions` look at. */
export function invalid(operator: string, problem: string): EtcdError {
  return new EtcdError('InvalidArgument', `${operator}: ${problem}`);
}
