import { EtcdError } from '../errors/index.js';
import type { Credential } from './tokenProvider.js';

/**
 * Whether a call was refused because it showed no token, in words that do not say so. Where clients show certificates, a server that has auth on takes such a call for one of
 * the user by whose name its own certificate is, whom it may not know: so it is for a client that began before auth was on.
 */
export function isForLackOfToken({ reason }: EtcdError, shown: Credential | undefined): boolean {
  return shown !== undefined && shown.token === undefined && (reason === 'PermissionDenied' || reason === 'UserNotFound');
}

/** The same error, in words that say what to do, for a client that has no token to show. */
export function explained(error: EtcdError, shown: Credential | undefined): EtcdError {
  // A user that is not found may be the one that was asked for.
  if (error.reason !== 'PermissionDenied' || !isForLackOfToken(error, shown)) return error;
  const { rpc, endpoint } = error;
  return new EtcdError(error.reason, 'permission denied: auth is on, and no token was shown. Give the client the option auth', {
    rpc,
    endpoint,
    cause: error,
  });
}
