import { describe, expect, test } from '@jest/globals';
import { del, put } from '../../../src/index.js';
import { story } from '../testing/story.js';

describe.each(['3.3', '3.4', '3.5.15', '3.5'])('on etcd %s, after an outage,', (version) => {
  /**
   * Returns what a watch and a live range report of two changes at one revision during an outage, and of one after it.
   */
  const reports = (compact: 'the revision before' | 'that revision'): readonly string[] =>
    story(
      ({ etcd, server, tell, at }) => {
        for (const key of ['a/deleted', 'a/kept']) server.put(key, '');
        tell('watch', etcd.watch({ prefix: 'a/' }), ({ type, kv }) => `${type} ${kv.key}`);
        tell('live', etcd.live({ prefix: 'a/' }), ({ state }) => [...state.keys()].sort().join(' '));
        at(100, () => server.disconnect());
        at(200, () => {
          if (compact === 'the revision before') server.compact();
          server.txn({ success: [del('a/deleted'), put('a/new', '')] });
          if (compact === 'that revision') server.compact();
        });
        at(10_000, () => server.connect());
        at(60_000, () => server.put('a/last', ''));
        at(70_000, () => server.close());
      },
      { version },
    );

  test('a watch whose next revision is compacted keeps its deletes or ends in Compacted, and a live range lists again', () => {
    const lines = reports('that revision');
    const [first, last] = lines.filter((line) => line.startsWith('live')).slice(-3);
    expect([first, last]).toEqual(['live: a/kept a/new', 'live: a/kept a/last a/new']);
    const watched = lines.filter((line) => line.startsWith('watch'));
    if (version !== '3.5') expect(watched).toEqual(['watch failed: Compacted']);
    else expect(watched).toEqual(expect.arrayContaining(['watch: delete a/deleted', 'watch: put a/new', 'watch: put a/last']));
  });

  test('a watch resumes if the history is compacted at the last revision that it has seen', () => {
    const lines = reports('the revision before');
    expect(lines).not.toContain('watch failed: Compacted');
    expect(lines).toEqual(expect.arrayContaining(['watch: delete a/deleted', 'watch: put a/new', 'watch: put a/last']));
    expect(lines.filter((line) => line === 'watch: put a/last')).toHaveLength(1);
    expect(lines).toContain('live: a/kept a/last a/new');
  });
});
