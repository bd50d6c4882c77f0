/** How streams are kept; milliseconds. */
export interface ConnectionSettings {
  readonly heartbeatMs: number;
  readonly answerTimeoutMs: number;
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
}
