import * as t from 'io-ts';

/** The config that the server and the page follow, as keys such as `examples/site/page/title`. */
export const SiteConfig = t.type({
  page: t.type({ title: t.string, color: t.string }),
  greeting: t.string,
  maintenance: t.boolean,
});
export type SiteConfig = t.TypeOf<typeof SiteConfig>;

/** The layers: the config of all sites, and that of this one, which takes precedence. */
export const LAYERS = ['examples/site/all/', 'examples/site/one/'];

/** In force for keys that are missing. */
export const DEFAULTS: SiteConfig = { page: { title: 'A site', color: 'slategrey' }, greeting: 'hello', maintenance: false };
