import type {
  PermissionType,
  AuthenticateResponse,
  AuthStatusResponse,
  HeaderResponse,
  RoleGetResponse,
  RoleListResponse,
  UserGetResponse,
  UserListResponse,
} from '../model/responses.js';
import { catchError, defer, finalize, mergeMap, throwError, type Observable } from 'rxjs';
import { authRpcs, roleRevokePermissionAsText } from '../codec/auth.js';
import { EtcdError, hasReason, keepSecret } from '../errors/index.js';
import { toText } from '../model/bytes.js';
import { checkOptions, oneOf, STRING, type OptionKind } from '../model/validate.js';
import { toKeyRange, type KeyRange, type Range } from '../model/range.js';
import { serverInfoService } from './serverInfo.js';
import type { Caller, CallOptions } from '../transport/call.js';

/**
 * The ways in which a new user can authenticate: with a password, or only with a certificate (`noPassword`, since etcd
 * 3.4). A password is given as text, or as its bcrypt hash (since etcd 3.5).
 */
export type NewUser = { readonly password: string } | { readonly noPassword: true } | { readonly hashedPassword: string };

/**
 * etcd's Auth service. Every method returns a cold Observable: one subscription, one call, one value. Methods that
 * change users, roles or auth itself are sent at most once.
 */
export interface AuthService {
  /**
   * Enables auth (`Auth.AuthEnable`). A user `root` with the role `root` must exist. Errors: `RootUserNotExist`,
   * `RootRoleNotExist`.
   */
  enable(options?: CallOptions): Observable<HeaderResponse>;
  /** Disables auth (`Auth.AuthDisable`). */
  disable(options?: CallOptions): Observable<HeaderResponse>;
  /** Reads whether auth is enabled (`Auth.AuthStatus`, etcd 3.5 and newer). */
  status(options?: CallOptions): Observable<AuthStatusResponse>;
  /**
   * Requests a token for a user (`Auth.Authenticate`). A client with a user in the option `auth` does so automatically.
   * Errors: `AuthFailed`, `AuthNotEnabled`.
   */
  authenticate(name: string, password: string, options?: CallOptions): Observable<AuthenticateResponse>;
  /** Adds a user (`Auth.UserAdd`). Errors: `UserAlreadyExist`, `UserEmpty`. */
  userAdd(name: string, user: NewUser, options?: CallOptions): Observable<HeaderResponse>;
  /** Lists the roles of a user (`Auth.UserGet`). Errors with `UserNotFound` if the user does not exist. */
  userGet(name: string, options?: CallOptions): Observable<UserGetResponse>;
  /** Lists all users (`Auth.UserList`). */
  userList(options?: CallOptions): Observable<UserListResponse>;
  /** Removes a user (`Auth.UserDelete`). Errors: `UserNotFound`, `InvalidAuthMgmt` for root while auth is enabled. */
  userDelete(name: string, options?: CallOptions): Observable<HeaderResponse>;
  /**
   * Changes the password of a user, given as text or as its hash (`Auth.UserChangePassword`). Errors: `UserNotFound`.
   */
  userChangePassword(
    name: string,
    user: { readonly password: string } | { readonly hashedPassword: string },
    options?: CallOptions,
  ): Observable<HeaderResponse>;
  /** Grants a role to a user (`Auth.UserGrantRole`). Errors: `UserNotFound`, `RoleNotFound`. */
  userGrantRole(user: string, role: string, options?: CallOptions): Observable<HeaderResponse>;
  /** Revokes a role from a user (`Auth.UserRevokeRole`). Errors: `UserNotFound`, `RoleNotGranted`. */
  userRevokeRole(user: string, role: string, options?: CallOptions): Observable<HeaderResponse>;
  /**
   * Adds a role without permissions (`Auth.RoleAdd`). Errors: `RoleAlreadyExist`, `InvalidArgument` for an empty name.
   */
  roleAdd(name: string, options?: CallOptions): Observable<HeaderResponse>;
  /** Lists the permissions of a role (`Auth.RoleGet`). Errors: `RoleNotFound`. */
  roleGet(role: string, options?: CallOptions): Observable<RoleGetResponse>;
  /** Lists all roles (`Auth.RoleList`). */
  roleList(options?: CallOptions): Observable<RoleListResponse>;
  /** Removes a role (`Auth.RoleDelete`). Errors: `RoleNotFound`. */
  roleDelete(role: string, options?: CallOptions): Observable<HeaderResponse>;
  /**
   * Grants a role permission to read or write a range of keys (`Auth.RoleGrantPermission`). Errors: `RoleNotFound`.
   *
   * ```ts
   * etcd.auth.roleGrantPermission('app', 'READWRITE', { prefix: 'app/' });
   * ```
   */
  roleGrantPermission(role: string, permType: PermissionType, range: Range, options?: CallOptions): Observable<HeaderResponse>;
  /**
   * Revokes a permission from a role (`Auth.RoleRevokePermission`). The range must be exactly that of the permission.
   * On etcd 3.3 the request may be sent a second time, and the keys of the range must be UTF-8. Errors: `RoleNotFound`,
   * `PermissionNotGranted`.
   */
  roleRevokePermission(role: string, range: Range, options?: CallOptions): Observable<HeaderResponse>;
}

/** Creates the Auth service over a caller. */
export function authService(caller: Caller): AuthService {
  return {
    enable: (options) => caller.unary(authRpcs.enable, {}, options),
    disable: (options) => caller.unary(authRpcs.disable, {}, options),
    status: (options) => caller.unary(authRpcs.status, {}, options),
    authenticate: (name, password, options) => inConfidence({ password }, caller.unary(authRpcs.authenticate, { name, password }, options)),
    userAdd: (name, user, options) =>
      inConfidence(
        user,
        defer(() => caller.unary(authRpcs.userAdd, { name, ...newUser(user) }, options)),
      ),
    userGet: (name, options) => caller.unary(authRpcs.userGet, { name }, options),
    userList: (options) => caller.unary(authRpcs.userList, {}, options),
    userDelete: (name, options) => caller.unary(authRpcs.userDelete, { name }, options),
    userChangePassword: (name, user, options) =>
      inConfidence(
        user,
        defer(() => caller.unary(authRpcs.userChangePassword, { name, ...oneWay('auth.userChangePassword', user, PASSWORD) }, options)),
      ),
    userGrantRole: (user, role, options) => caller.unary(authRpcs.userGrantRole, { user, role }, options),
    userRevokeRole: (user, role, options) => caller.unary(authRpcs.userRevokeRole, { name: user, role }, options),
    roleAdd: (name, options) =>
      // etcd 3.3 detects an empty name only when it writes the role. It then crashes, and does so again at each start.
      name === ''
        ? throwError(
            () =>
              new EtcdError('InvalidArgument', 'name of a role: expected a string that is not empty, received an empty string', {
                rpc: authRpcs.roleAdd.name,
              }),
          )
        : caller.unary(authRpcs.roleAdd, { name }, options),
    roleGet: (role, options) => caller.unary(authRpcs.roleGet, { role }, options),
    roleList: (options) => caller.unary(authRpcs.roleList, {}, options),
    roleDelete: (role, options) => caller.unary(authRpcs.roleDelete, { role }, options),
    roleGrantPermission: (role, permType, range, options) =>
      defer(() => caller.unary(authRpcs.roleGrantPermission, { name: role, perm: { permType, ...toKeyRange(range) } }, options)),
    roleRevokePermission: (role, range, options) =>
      defer(() => {
        const keys = toKeyRange(range);
        return caller
          .unary(authRpcs.roleRevokePermission, { role, ...keys }, options)
          .pipe(
            catchError((error: unknown) =>
              hasReason(error, 'PermissionNotGranted') ? revokeAsText(caller, role, keys, error, options) : throwError(() => error),
            ),
          );
      }),
  };
}

/**
 * Revokes a permission. etcd 3.3 reads the range as plain text, although its API description requires base64. So it
 * rejects base64 with `PermissionNotGranted`, and the request is sent again with plain text. A range that is not text
 * cannot be sent in this form.
 */
function revokeAsText(
  caller: Caller,
  role: string,
  { key, rangeEnd = '' }: KeyRange,
  refusal: EtcdError,
  options: CallOptions = {},
): Observable<HeaderResponse> {
  const texts = { key: toText(key), rangeEnd: toText(rangeEnd) };
  if (`${texts.key}${texts.rangeEnd}`.includes('\u{fffd}')) return throwError(() => refusal);
  const there = refusal.endpoint === undefined ? options : { ...options, endpoint: refusal.endpoint };
  return serverInfoService(caller)
    .version(there)
    .pipe(
      mergeMap(({ etcdserver }) =>
        etcdserver.startsWith('3.3.') ? caller.unary(roleRevokePermissionAsText, { role, ...texts }, there) : throwError(() => refusal),
      ),
    );
}

/** Runs a call whose request contains a password, and keeps the password out of its errors. */
function inConfidence<A>(user: object, call: Observable<A>): Observable<A> {
  return defer(() => {
    // A program in JavaScript can pass any value here. The call itself rejects an invalid value.
    const given: readonly unknown[] = Object.values(Object(user) as object);
    const kept = given.map((secret) => keepSecret(typeof secret === 'string' ? secret : ''));
    return call.pipe(finalize(() => kept.forEach((end) => end())));
  });
}

const PASSWORD = { password: STRING, hashedPassword: STRING };
const NEW_USER = { ...PASSWORD, noPassword: oneOf(true) };

const newUser = (given: NewUser) => {
  const user = oneWay('auth.userAdd', given, NEW_USER);
  return 'noPassword' in user ? { options: { noPassword: true } } : user;
};

/** Checks that exactly one way of authentication is given. If none was given, etcd would set an empty password. */
function oneWay<U extends object>(method: string, user: U, ways: Readonly<Record<string, OptionKind>>): U {
  const given = Object.values(checkOptions<object>(method, user, ways)).filter((way) => way !== undefined).length;
  if (given === 1) return user;
  throw new EtcdError('InvalidArgument', `user of ${method}: expected exactly one of ${Object.keys(ways).join(', ')}, received ${given}`);
}
