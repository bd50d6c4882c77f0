/** The gRPC status codes, by the names that etcd's Go code uses, at their numbers. */
export const GRPC_CODES = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
] as const;

/** The name of a gRPC status code. */
export type GrpcCode = (typeof GRPC_CODES)[number];

/** The name of a gRPC status number; `Unknown` for a number that gRPC does not have. */
export function grpcCode(number: number): GrpcCode {
  return GRPC_CODES[number] ?? 'Unknown';
}
