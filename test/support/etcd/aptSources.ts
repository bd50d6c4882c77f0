import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** One package source of the machine, from either format of apt. */
export interface AptSource {
  readonly uri: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** The file of the keys; keys in the text itself are ignored. */
  readonly signedBy: string | undefined;
}

const words = (text: string | undefined): string[] => (text ?? '').split(/\s+/).filter((word) => word !== '');

const keyFile = (text: string | undefined): string | undefined => (text?.startsWith('/') === true ? words(text).join(',') : undefined);

/** Parses `deb [signed-by=…] uri suite component…`, one source per line. */
export function parseOneLine(text: string): AptSource[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (match?.[2] === undefined || match[3] === undefined) return [];
    const signedBy = words(match[1])
      .find((option) => option.toLowerCase().startsWith('signed-by='))
      ?.slice('signed-by='.length);
    return [{ uri: match[2], suites: [match[3]], components: words(match[4]), signedBy: keyFile(signedBy) }];
  });
}

/** Parses stanzas of `Key: value`, separated by empty lines. Continuation lines begin with white space. */
export function parseDeb822(text: string): AptSource[] {
  const stanzas = text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .split(/\n[ \t]*\n/);
  return stanzas.flatMap((stanza) => {
    const fields = new Map<string, string>();
    for (const [, key, value] of stanza.matchAll(/^([A-Za-z][\w-]*):((?:.*)(?:\n[ \t].*)*)/gm)) {
      if (key !== undefined && value !== undefined) fields.set(key.toLowerCase(), value.trim());
    }
    if (!words(fields.get('types')).includes('deb') || fields.get('enabled')?.toLowerCase() === 'no') return [];
    const suites = words(fields.get('suites'));
    const components = words(fields.get('components'));
    const signedBy = keyFile(fields.get('signed-by'));
    return words(fields.get('uris')).map((uri) => ({ uri, suites, components, signedBy }));
  });
}

/** Returns the sources that apt itself would read in this folder. */
export function readAptSources(folder: string = '/etc/apt'): AptSource[] {
  const main = join(folder, 'sources.list');
  const parts = join(folder, 'sources.list.d');
  const files = existsSync(parts)
    ? readdirSync(parts)
        .sort()
        .map((file) => join(parts, file))
    : [];
  return [main, ...files]
    .filter((file) => existsSync(file))
    .flatMap((file) => {
      if (file.endsWith('.sources')) return parseDeb822(readFileSync(file, 'utf8'));
      return file.endsWith('.list') ? parseOneLine(readFileSync(file, 'utf8')) : [];
    });
}

/**
 * Returns the source with the distribution's own packages: that of the machine's suite, not its updates or a third
 * party's.
 */
export function pickMirror(sources: readonly AptSource[], codename: string | undefined): AptSource | undefined {
  const rolling = ['stable', 'testing', 'unstable', 'sid', 'oldstable'];
  const plain = sources.filter((source) => source.components.includes('main'));
  return (
    plain.find((source) => codename !== undefined && source.suites.includes(codename)) ??
    plain.find((source) => source.suites.some((suite) => rolling.includes(suite)))
  );
}
