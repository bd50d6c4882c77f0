import { expect, test } from '@jest/globals';
import { from, lastValueFrom, throwError, toArray } from 'rxjs';
import { snapshot } from '../../../src/services/maintenance.js';
import type { Caller } from '../../../src/transport/call.js';
import { rejection } from '../transport/support.js';

const PAGE = 4_096;

/** A part of a database with two pages, or its checksum. */
const part = (bytes: number, remainingBytes: number) => ({ blob: new Uint8Array(bytes), remainingBytes, version: '' });
const DATABASE = [part(PAGE, PAGE), part(PAGE, 0)];
const CHECKSUM = part(32, 0);

const never = (): never => { throw new Error('a snapshot is a stream'); }; // prettier-ignore
const callerOf = (parts: readonly object[]): Caller => ({ unary: never, get: never, channel: never, stream: () => from(parts) as never });

test('a snapshot is complete when its checksum has arrived', async () => {
  const parts = await lastValueFrom(snapshot(callerOf([...DATABASE, CHECKSUM])).pipe(toArray()));
  expect(parts.map(({ bytesSent, remainingBytes }) => [bytesSent, remainingBytes])).toEqual([
    [PAGE, PAGE],
    [2 * PAGE, 0],
    [2 * PAGE + 32, 0],
  ]);
});

test.each([
  ['in the middle', DATABASE.slice(0, 1), PAGE],
  ['before its checksum', DATABASE, 2 * PAGE],
  ['before its first part', [], 0],
])('a snapshot whose stream ends %s errors with ConnectionLost', async (_, parts, bytes) => {
  const error = await rejection(lastValueFrom(snapshot(callerOf(parts))));
  expect(error).toMatchObject({ reason: 'ConnectionLost', message: expect.stringContaining(`after ${bytes} bytes`) });
});

test('a snapshot passes on the error of its stream', async () => {
  const failed = new Error('of the stream');
  const caller: Caller = { ...callerOf([]), stream: () => throwError(() => failed) };
  expect(await rejection(lastValueFrom(snapshot(caller)))).toBe(failed);
});
