import { firstValueFrom, from, lastValueFrom, mergeMap, toArray } from 'rxjs';
import type { Client } from '../../../src/index.js';
import type { Written } from '../watchGuarantees.js';
import { changesOf, idOf, MARKS, readMark, type Mark } from './writeMarker.js';

/** The writes that were carried out, as the store itself has them: revision by revision, without a watch. */
export type Truth = ReadonlyMap<number, Mark>;

/** Reads the mark of every revision up to this one. */
export async function askTruth(etcd: Client, last: number): Promise<Truth> {
  const revisions = Array.from({ length: last - 1 }, (_, index) => index + 2);
  const found = await lastValueFrom(
    from(revisions).pipe(
      mergeMap((revision) => markOf(etcd, revision), 32),
      toArray(),
    ),
  );
  return new Map(found.flatMap(([revision, mark]) => (mark === undefined ? [] : [[revision, mark]])));
}

async function markOf(etcd: Client, revision: number): Promise<readonly [number, Mark | undefined]> {
  const { kvs } = await firstValueFrom(etcd.kv.range({ prefix: MARKS }, { revision, minModRevision: revision }));
  return [revision, kvs[0] && readMark(kvs[0].value)];
}

/** Returns the changes at each revision, without deletions of missing keys. */
export function writtenOf(truth: Truth): Map<number, readonly Written[]> {
  const present = new Set<string>();
  const written = new Map<number, readonly Written[]>();
  for (const [revision, mark] of [...truth].sort(([a], [b]) => a - b)) {
    const changes = changesOf(mark).filter(({ type, key }) => type === 'put' || present.has(key));
    for (const { type, key } of changes) {
      if (type === 'put') present.add(key);
      else present.delete(key);
    }
    written.set(revision, changes);
  }
  return written;
}

/** Returns the revisions at which each write was carried out: one, if all is well. */
export function carriedOut(truth: Truth): Map<string, readonly number[]> {
  const byWrite = new Map<string, number[]>();
  for (const [revision, mark] of truth) {
    const revisions = byWrite.get(idOf(mark)) ?? [];
    revisions.push(revision);
    byWrite.set(idOf(mark), revisions);
  }
  return byWrite;
}
