import { asyncScheduler, type Observable } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { isEtcdError } from '../../../src/errors/index.js';
import { createTestEtcd, type TestEtcd, type TestEtcdOptions } from '../../../src/testing/index.js';

/** The etcd of a story, and the functions that tell it. */
export interface Stage extends TestEtcd {
  /** Subscribes, and writes down the notifications. */
  readonly tell: <T>(name: string, source: Observable<T>, show?: (value: T) => string) => void;
  /** Runs a function at a time. */
  readonly at: (ms: number, what: () => unknown) => void;
}

/** Runs a story in virtual time until no timer is left, and returns its lines. */
export function story(play: (stage: Stage) => void, options?: TestEtcdOptions): readonly string[] {
  const lines: string[] = [];
  new TestScheduler(() => undefined).run(({ flush }) => {
    play({
      ...createTestEtcd(options),
      tell: (name, source, show = () => 'ok') => {
        source.subscribe({
          next: (value) => lines.push(`${name}: ${show(value)}`),
          error: (error: unknown) => lines.push(`${name} failed: ${isEtcdError(error) ? error.reason : String(error)}`),
          complete: () => lines.push(`${name} completed`),
        });
      },
      at: (ms, what) => void asyncScheduler.schedule(() => void what(), ms),
    });
    flush();
  });
  return lines;
}
