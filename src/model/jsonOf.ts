import { EtcdError } from '../errors/index.js';

/** The JSON of what a user gives. @throws EtcdError `InvalidArgument` where JSON cannot hold it */
export function jsonOf(what: string, value: unknown): string {
  let cause: unknown;
  try {
    // Its type does not say that it gives nothing for nothing, or for a function.
    const json: unknown = JSON.stringify(value);
    if (typeof json === 'string') return json;
  } catch (error) {
    cause = error;
  }
  throw new EtcdError('InvalidArgument', `${what} cannot be written as JSON, which has no undefined, function, bigint or circle`, {
    cause,
  });
}
