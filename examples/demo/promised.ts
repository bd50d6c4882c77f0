import { take, tap, throwError, throwIfEmpty, timeout, type MonoTypeOperatorFunction } from 'rxjs';

/**
 * Emits the next value. It has to arrive in time and be the expected one; otherwise the demo fails, and names what is
 * missing.
 */
export function promised<T>(what: string, holds: (value: T) => boolean, withinMs = 30_000): MonoTypeOperatorFunction<T> {
  const broken = (problem: string): Error => new Error(`promised: ${what}; ${problem}`);
  return (source) =>
    source.pipe(
      timeout({ first: withinMs, with: () => throwError(() => broken(`nothing came within ${withinMs} ms`)) }),
      tap((value) => {
        if (!holds(value)) throw broken(`this came: ${JSON.stringify(value)}`);
      }),
      take(1),
      throwIfEmpty(() => broken('nothing came')),
    );
}
