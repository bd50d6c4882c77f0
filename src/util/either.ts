import type { Either, Left, Right } from 'fp-ts/lib/Either.js';

// A bundler cannot remove unused parts of fp-ts/lib, which is CommonJS. The functions of fp-ts with these names would
// add 7 kB of gzip to a page.

/** Creates the `left` of an Either, which is a failure. */
export const left = <E, A = never>(failure: E): Either<E, A> => ({ _tag: 'Left', left: failure });

/** Creates the `right` of an Either, which is a success. */
export const right = <A, E = never>(value: A): Either<E, A> => ({ _tag: 'Right', right: value });

export const isLeft = <E>(either: Either<E, unknown>): either is Left<E> => either._tag === 'Left';

export const isRight = <A>(either: Either<unknown, A>): either is Right<A> => either._tag === 'Right';

/** Converts the value of a `right`, and leaves a `left` unchanged. */
export const mapRight = <E, A, B>(either: Either<E, A>, convert: (value: A) => B): Either<E, B> =>
  isRight(either) ? right(convert(either.right)) : either;
