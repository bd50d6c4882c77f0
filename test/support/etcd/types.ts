/** A way to get an etcd that is available. */
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
  /** Why a better way is not available. */
  readonly note?: string | undefined;
  /** Whether it has the flags `--unsafe-no-fsync` and `--log-level`, which 3.3 lacks. */
  readonly knowsFastFlags: boolean;
}

export interface DockerSource {
  readonly kind: 'docker';
  readonly image: string;
  readonly version: string;
}

/** The TLS files for clients. The certificate must be valid for 127.0.0.1 and, for Docker, localhost. */
export interface ClientTls {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  /** Whether clients must show a certificate. */
  readonly clientCertAuth?: boolean | undefined;
  /** The client certificate of the readiness check; by default the server's own certificate. */
  readonly probeCertFile?: string | undefined;
  readonly probeKeyFile?: string | undefined;
}

export interface EtcdOptions {
  /** `3.4` or `3.4.23`; by default `ETCD_VERSION`, else any. */
  readonly version?: string | undefined;
  /** Further flags, with the names of 3.5. They come last, and etcd uses the last of two equal flags. */
  readonly args?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** The member's name; a unique one by default. */
  readonly name?: string | undefined;
  /** A data folder of the caller, which is kept after `stop()`; by default a temporary one. */
  readonly dataDir?: string | undefined;
  readonly clientPort?: number | undefined;
  readonly peerPort?: number | undefined;
  readonly clientTls?: ClientTls | undefined;
  /**
   * Does not use the shared server of `ETCD_ENDPOINTS`, as this test stops, pauses or breaks it. Implied by the options
   * above.
   */
  readonly own?: boolean | undefined;
  /** Default 60 000. */
  readonly startTimeoutMs?: number | undefined;
  /** The caller no longer waits for the server. */
  readonly signal?: AbortSignal | undefined;
}

/** The options of a restart. */
export interface RestartOptions {
  /** Deletes the data before the start. */
  readonly wipe?: boolean | undefined;
  /** Further flags, for this start only. */
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
  /** The data folder, if the server is a process. */
  readonly dataDir: string | undefined;
  /** The id of the running process, if the server is a process. */
  readonly pid: number | undefined;
  readonly clientTls: ClientTls | undefined;
  /** The last lines of its output. */
  output(): string;
  /** SIGTERM, after 3 s SIGKILL; removes the data folder if it is not yours. Can be called twice. */
  stop(): Promise<void>;
  /** Sends a signal, SIGKILL by default; waits for the exit if the signal ends etcd. The data stay for `restart()`. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Ends the server if it runs, and starts it with the same ports and data; resolves when it is ready. */
  restart(options?: RestartOptions): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
}
