/** A way to get an etcd that was found to work. */
export type EtcdSource = ExternalSource | BinarySource | DockerSource;

export interface ExternalSource {
  readonly kind: 'external';
  readonly endpoints: readonly string[];
  readonly version: string;
}

export interface BinarySource {
  readonly kind: 'binary';
  readonly etcd: string;
  readonly version: string;
  /** Why a better suited one could not be used. */
  readonly note?: string | undefined;
  /** Knows `--unsafe-no-fsync` and `--log-level`: 3.3 does not. */
  readonly knowsFastFlags: boolean;
}

export interface DockerSource {
  readonly kind: 'docker';
  readonly image: string;
  readonly version: string;
}

/** Files of the client side's TLS. The certificate must hold for 127.0.0.1 and, for Docker, localhost. */
export interface ClientTls {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  /** Demand a certificate of clients. */
  readonly clientCertAuth?: boolean | undefined;
  /** What our own readiness check shows as a client; by default the server's own certificate. */
  readonly probeCertFile?: string | undefined;
  readonly probeKeyFile?: string | undefined;
}

export interface EtcdOptions {
  /** `3.4` or `3.4.23`; by default `ETCD_VERSION`, else any. */
  readonly version?: string | undefined;
  /** Further flags, as 3.5 spells them. They come last, and etcd takes the last of two. */
  readonly args?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** The member's name; a unique one by default. */
  readonly name?: string | undefined;
  /** A data folder of yours, which stays after `stop()`; by default one that is removed. */
  readonly dataDir?: string | undefined;
  readonly clientPort?: number | undefined;
  readonly peerPort?: number | undefined;
  readonly clientTls?: ClientTls | undefined;
  /** Do not use the shared server of `ETCD_ENDPOINTS`: this test stops, pauses or breaks it. Implied by the options above. */
  readonly own?: boolean | undefined;
  /** Default 60 000. */
  readonly startTimeoutMs?: number | undefined;
  /** Nobody waits any more for it to be ready. */
  readonly signal?: AbortSignal | undefined;
}

/** What a process may be started with anew. */
export interface RestartOptions {
  /** Its data are gone before it starts. */
  readonly wipe?: boolean | undefined;
  /** Further flags, this time only. */
  readonly args?: readonly string[] | undefined;
}

export interface EtcdServer {
  readonly kind: 'process' | 'docker' | 'external';
  /** Such as `http://127.0.0.1:34567`. */
  readonly endpoint: string;
  readonly peerUrl: string | undefined;
  /** Such as `3.4.23`. */
  readonly version: string;
  readonly name: string;
  /** Only of a process. */
  readonly dataDir: string | undefined;
  /** The process of now, if it is one and runs. */
  readonly pid: number | undefined;
  readonly clientTls: ClientTls | undefined;
  /** The last lines that it wrote. */
  output(): string;
  /** SIGTERM, after 3 s SIGKILL; removes the data folder if it is not yours. Can be called twice. */
  stop(): Promise<void>;
  /** Sends a signal, SIGKILL by default; waits for the end if it is one that ends etcd. The data stay for `restart()`. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Ends it if it runs, and starts it with the same ports and data; resolves when it is ready. */
  restart(options?: RestartOptions): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
}
