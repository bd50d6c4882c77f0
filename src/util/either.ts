import type { Either, Left, Right } from 'fp-ts/lib/Either.js';

// fp-ts' own functions for its type. Of fp-ts/lib, which is CommonJS, a bundler leaves nothing out: a page would load
// 7 kB of gzip for these few.

/** Makes the failure of an Either. */
export const left = <E, A = never>(failure: E): Either<E, A> => ({ _tag: 'Left', left: failure });

/** Makes the success of an Either. */
export const right = <A, E = never>(value: A): Either<E, A> => ({ _tag: 'Right', right: value });

export const isLeft = <E>(either: Either<E, unknown>): either is Left<E> => either._tag === 'Left';

export const isRight = <A>(either: Either<unknown, A>): either is Right<A> => either._tag === 'Right';

/** Converts the value of a success. */
export const mapRight = <E, A, B>(either: Either<E, A>, convert: (value: A) => B): Either<E, B> =>
  isRight(either) ? right(convert(either.right)) : either;
