import { EtcdError } from '../errors/index.js';
import { isBytesLike } from '../model/bytes.js';
import { typeName } from '../model/failures.js';

/** @throws EtcdError `InvalidArgument` where it cannot be the beginning of a key: `{ prefix: '/' }` would be everybody's */
export function checkName(what: string, name: unknown): void {
  if (typeof name === 'string' && name !== '' && isBytesLike(name)) return;
  const given = name === '' ? 'an empty one' : typeName(name);
  throw new EtcdError('InvalidArgument', `the name of ${what} is a string that is not empty, not ${given}`);
}
