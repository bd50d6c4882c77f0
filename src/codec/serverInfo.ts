import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';

/** `GET /version`, which has no prefix and needs no token. */
export const ServerVersion = t.intersection(
  [
    t.type({
      /** The version of this server: `3.5.30`. */
      etcdserver: t.string,
      /** What all members agree on: `3.5.0`; `not_decided` while they have not. */
      etcdcluster: t.string,
    }),
    // since 3.6
    t.partial({ storage: t.string }),
  ],
  'ServerVersion',
);
export type ServerVersion = t.TypeOf<typeof ServerVersion>;

/** `"true"` and `"false"`, which is how most servers spell it, or a boolean. */
const Flag = new t.Type<boolean, string, unknown>(
  'true or false',
  (input): input is boolean => typeof input === 'boolean',
  (input, context) => {
    if (input === true || input === 'true') return E.right(true);
    if (input === false || input === 'false') return E.right(false);
    return E.left([{ value: input, context }]);
  },
  String,
);

/** `GET /health`: the body of a 200 as of a 503. */
export const ServerHealth = t.intersection(
  [
    t.type({ health: Flag }),
    // Why it is not healthy; some servers give it as an empty text where it is.
    t.partial({ reason: t.string }),
  ],
  'ServerHealth',
);
export type ServerHealth = t.TypeOf<typeof ServerHealth>;
