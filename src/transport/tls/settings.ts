/** What TLS is to trust and to show, in PEM: as text or bytes, or in files, which are read anew for each connection. */
export interface TlsSettings {
  /** Whom to trust, in place of those that Node trusts: certificates of authorities, or that of the server itself. */
  readonly ca?: string | Uint8Array;
  readonly caFile?: string;
  /** What to show to a server that wants to see a certificate, with those between it and its authority behind it. Goes with a key. */
  readonly cert?: string | Uint8Array;
  readonly certFile?: string;
  readonly key?: string | Uint8Array;
  readonly keyFile?: string;
  /** What the key is encrypted with. */
  readonly passphrase?: string;
  /** The name that the server's certificate has to be for, where it is not the endpoint's host. */
  readonly serverName?: string;
}

/** The three things that can be given in two ways. */
export type Part = 'ca' | 'cert' | 'key';
export const PARTS: readonly Part[] = ['ca', 'cert', 'key'];

/** What is given, and the option that gives it. */
export type Pem = Readonly<Partial<Record<Part, { readonly option: string; readonly text: string }>>>;
