import { describe, expect, test } from '@jest/globals';
import { parseDeb822, parseOneLine, pickMirror } from '../../support/etcd/aptSources.js';

const mirror = 'http://mirror.example/debian';

describe('sources of apt, one a line', () => {
  test('return address, suite, components and keys', () => {
    const text = `# deb ${mirror} old main\ndeb-src ${mirror} bookworm main\ndeb [arch=amd64 signed-by=/keys/a.gpg] ${mirror} bookworm main contrib # why\n`;
    expect(parseOneLine(text)).toEqual([{ uri: mirror, suites: ['bookworm'], components: ['main', 'contrib'], signedBy: '/keys/a.gpg' }]);
  });

  test('may be without options and keys', () => {
    expect(parseOneLine(`deb ${mirror} bullseye main`)).toEqual([
      { uri: mirror, suites: ['bullseye'], components: ['main'], signedBy: undefined },
    ]);
  });
});

describe('sources of apt, in stanzas', () => {
  test('have several suites and addresses, comments, and values over several lines', () => {
    const text = `Types: deb deb-src\n# a comment\nURIs: ${mirror}\n ${mirror}2\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /keys/a.gpg\n`;
    const common = { suites: ['bookworm', 'bookworm-updates'], components: ['main'], signedBy: '/keys/a.gpg' };
    expect(parseDeb822(text)).toEqual([
      { uri: mirror, ...common },
      { uri: `${mirror}2`, ...common },
    ]);
  });

  test('omit disabled entries, sources of code, and inline keys', () => {
    const stanza = (first: string, last: string): string => `${first}\nURIs: ${mirror}\nSuites: sid\nComponents: main\n${last}\n`;
    const text = [
      stanza('Types: deb', 'Enabled: no'),
      stanza('Types: deb-src', ''),
      stanza('Types: deb', 'Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc'),
    ].join('\n');
    expect(parseDeb822(text)).toEqual([{ uri: mirror, suites: ['sid'], components: ['main'], signedBy: undefined }]);
  });
});

describe('the mirror of the machine', () => {
  const source = (uri: string, ...suites: string[]) => ({ uri, suites, components: ['main'], signedBy: undefined });

  test('is the one with the suite itself, not its security updates or a third party', () => {
    const sources = [
      source('http://other.example', 'nodistro'),
      source(`${mirror}-security`, 'bookworm-security'),
      source(mirror, 'bookworm'),
    ];
    expect(pickMirror(sources, 'bookworm')?.uri).toBe(mirror);
  });

  test('may have a name that changes', () => {
    expect(pickMirror([source('http://other.example', 'nodistro'), source(mirror, 'unstable')], 'forky')?.uri).toBe(mirror);
    expect(pickMirror([source('http://other.example', 'nodistro')], 'bookworm')).toBeUndefined();
  });
});
