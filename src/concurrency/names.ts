import { EtcdError } from '../errors/index.js';

/** @throws EtcdError `InvalidArgument` where it cannot be the beginning of a key: `{ prefix: '/' }` would be everybody's */
export function checkName(what: string, name: unknown): void {
  if (typeof name === 'string' && name !== '') return;
  throw new EtcdError('InvalidArgument', `the name of ${what} is a string that is not empty`);
}
