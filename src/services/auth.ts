import { catchError, defer, mergeMap, throwError, type Observable } from 'rxjs';
import { authRpcs, roleRevokePermissionAsText } from '../codec/auth.js';
import type { AnswerOf } from '../codec/rpc.js';
import { EtcdError, hasReason } from '../errors/index.js';
import { toText } from '../model/bytes.js';
import { checkOptions, oneOf, STRING, type OptionKind } from '../model/validate.js';
import { toKeyRange, type KeyRange, type Range } from '../model/range.js';
import type { ResponseHeader } from '../model/responses.js';
import { serverInfoService } from './serverInfo.js';
import type { Caller, CallOptions } from '../transport/call.js';

/** An answer that says no more than that it was done, and when. */
export interface Done {
  readonly header: ResponseHeader;
}

/** Whether auth is on; `authRevision` counts the changes to users and roles. */
export type AuthStatusResponse = AnswerOf<typeof authRpcs.status>;
/** The token of a user. */
export type AuthenticateResponse = AnswerOf<typeof authRpcs.authenticate>;
/** The roles of a user. */
export type UserGetResponse = AnswerOf<typeof authRpcs.userGet>;
/** The names of all users. */
export type UserListResponse = AnswerOf<typeof authRpcs.userList>;
/** What a role may do, as ranges of keys. */
export type RoleGetResponse = AnswerOf<typeof authRpcs.roleGet>;
/** The names of all roles. */
export type RoleListResponse = AnswerOf<typeof authRpcs.roleList>;

/** What a role may do with a range of keys. */
export type PermissionType = 'READ' | 'WRITE' | 'READWRITE';

/** How a new user is to be known: by a password, by none (a certificate, etcd 3.4), or by a bcrypt hash of one (etcd 3.5). */
export type NewUser = { readonly password: string } | { readonly noPassword: true } | { readonly hashedPassword: string };

/** etcd's Auth service. Every method gives a cold Observable: one subscription, one call, one value; the changing ones are sent at most once. */
export interface AuthService {
  /** Turns auth on (`Auth.AuthEnable`). Wants a user `root` with the role `root`: `RootUserNotExist`, `RootRoleNotExist`. */
  enable(options?: CallOptions): Observable<Done>;
  /** Turns auth off (`Auth.AuthDisable`). */
  disable(options?: CallOptions): Observable<Done>;
  /** Whether auth is on (`Auth.AuthStatus`, etcd 3.5 and newer). */
  status(options?: CallOptions): Observable<AuthStatusResponse>;
  /** A token for a user (`Auth.Authenticate`). A client with the option `auth` does so by itself. `AuthFailed`, `AuthNotEnabled`. */
  authenticate(name: string, password: string, options?: CallOptions): Observable<AuthenticateResponse>;
  /** Adds a user (`Auth.UserAdd`). `UserAlreadyExist`, `UserEmpty`. */
  userAdd(name: string, user: NewUser, options?: CallOptions): Observable<Done>;
  /** The roles of a user (`Auth.UserGet`). `UserNotFound`. */
  userGet(name: string, options?: CallOptions): Observable<UserGetResponse>;
  /** All users (`Auth.UserList`). */
  userList(options?: CallOptions): Observable<UserListResponse>;
  /** Removes a user (`Auth.UserDelete`). `UserNotFound`, `InvalidAuthMgmt` for root while auth is on. */
  userDelete(name: string, options?: CallOptions): Observable<Done>;
  /** Gives a user another password, or the hash of one (`Auth.UserChangePassword`). `UserNotFound`. */
  userChangePassword(
    name: string,
    user: { readonly password: string } | { readonly hashedPassword: string },
    options?: CallOptions,
  ): Observable<Done>;
  /** Gives a user a role (`Auth.UserGrantRole`). `UserNotFound`, `RoleNotFound`. */
  userGrantRole(user: string, role: string, options?: CallOptions): Observable<Done>;
  /** Takes a role from a user (`Auth.UserRevokeRole`). `UserNotFound`, `RoleNotGranted`. */
  userRevokeRole(user: string, role: string, options?: CallOptions): Observable<Done>;
  /** Adds a role that may do nothing yet (`Auth.RoleAdd`). `RoleAlreadyExist`. */
  roleAdd(name: string, options?: CallOptions): Observable<Done>;
  /** What a role may do (`Auth.RoleGet`). `RoleNotFound`. */
  roleGet(role: string, options?: CallOptions): Observable<RoleGetResponse>;
  /** All roles (`Auth.RoleList`). */
  roleList(options?: CallOptions): Observable<RoleListResponse>;
  /** Removes a role (`Auth.RoleDelete`). `RoleNotFound`. */
  roleDelete(role: string, options?: CallOptions): Observable<Done>;
  /**
   * Lets a role read or write a range of keys (`Auth.RoleGrantPermission`). `RoleNotFound`.
   *
   * ```ts
   * etcd.auth.roleGrantPermission('app', 'READWRITE', { prefix: 'app/' });
   * ```
   */
  roleGrantPermission(role: string, permType: PermissionType, range: Range, options?: CallOptions): Observable<Done>;
  /** Takes the permission on just this range from a role (`Auth.RoleRevokePermission`). `RoleNotFound`, `PermissionNotGranted`. */
  roleRevokePermission(role: string, range: Range, options?: CallOptions): Observable<Done>;
}

/** The Auth service over a caller. */
export function authService(caller: Caller): AuthService {
  return {
    enable: (options) => caller.unary(authRpcs.enable, {}, options),
    disable: (options) => caller.unary(authRpcs.disable, {}, options),
    status: (options) => caller.unary(authRpcs.status, {}, options),
    authenticate: (name, password, options) => caller.unary(authRpcs.authenticate, { name, password }, options),
    userAdd: (name, user, options) => defer(() => caller.unary(authRpcs.userAdd, { name, ...newUser(user) }, options)),
    userGet: (name, options) => caller.unary(authRpcs.userGet, { name }, options),
    userList: (options) => caller.unary(authRpcs.userList, {}, options),
    userDelete: (name, options) => caller.unary(authRpcs.userDelete, { name }, options),
    userChangePassword: (name, user, options) =>
      defer(() => caller.unary(authRpcs.userChangePassword, { name, ...oneWay('auth.userChangePassword', user, PASSWORD) }, options)),
    userGrantRole: (user, role, options) => caller.unary(authRpcs.userGrantRole, { user, role }, options),
    userRevokeRole: (user, role, options) => caller.unary(authRpcs.userRevokeRole, { name: user, role }, options),
    roleAdd: (name, options) =>
      // etcd 3.3 checks it only when it is written, falls over it, and again at each start.
      name === ''
        ? throwError(() => new EtcdError('InvalidArgument', 'the name of a role cannot be empty', { rpc: authRpcs.roleAdd.name }))
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
 * 3.3 takes the range as plain text, against its own description: our base64 is no range that it ever granted. It refuses that,
 * and is asked again in its own way; a range that is not text has none.
 */
function revokeAsText(
  caller: Caller,
  role: string,
  { key, rangeEnd = '' }: KeyRange,
  refusal: EtcdError,
  options: CallOptions = {},
): Observable<Done> {
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

const PASSWORD = { password: STRING, hashedPassword: STRING };
const NEW_USER = { ...PASSWORD, noPassword: oneOf(true) };

const newUser = (given: NewUser) => {
  const user = oneWay('auth.userAdd', given, NEW_USER);
  return 'noPassword' in user ? { options: { noPassword: true } } : user;
};

/** Without any etcd would take an empty password for what is meant. */
function oneWay<U extends object>(method: string, user: U, ways: Readonly<Record<string, OptionKind>>): U {
  const given = Object.values(checkOptions<object>(method, user, ways)).filter((way) => way !== undefined).length;
  if (given === 1) return user;
  throw new EtcdError('InvalidArgument', `${method} takes one of ${Object.keys(ways).join(', ')}, not ${given} of them`);
}
