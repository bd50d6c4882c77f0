import { AuthenticateRequest, AuthenticateResponse } from '../../codec/connection.js';
import {
  AuthStatusResponse,
  RoleAddRequest,
  RoleDeleteRequest,
  RoleGetRequest,
  RoleGetResponse,
  RoleGrantPermissionRequest,
  RoleListResponse,
  RoleRevokePermissionRequest,
  UserAddRequest,
  UserChangePasswordRequest,
  UserDeleteRequest,
  UserGetRequest,
  UserGetResponse,
  UserGrantRoleRequest,
  UserListResponse,
  UserRevokeRoleRequest,
  roleRevokePermissionAsText,
} from '../../codec/auth.js';
import { Empty, HeaderOnly } from '../../codec/common.js';
import { toBytes } from '../../model/bytes.js';
import type { Core } from './core.js';
import { type Codec, type Endpoint, type Header, type Session, unary } from './endpoint.js';

/**
 * Creates the RPCs for users and roles. Only an administrator may call them, except for authentication and the reads of
 * the client's own user and roles. Since etcd 3.7, any client may also read the status of auth.
 */
export function authService({ auth, version }: Core): Readonly<Record<string, Endpoint>> {
  const admin = <In, A>(request: Codec<In>, response: Codec<A & { header: Header }>, run: (request: In) => A): Endpoint =>
    unary(request, response, (given, session) => {
      session.access().admin();
      const response = run(given);
      return { ...response, header: session.header() };
    });
  const change = <In>(request: Codec<In>, run: (request: In) => void): Endpoint =>
    admin<In, object>(request, HeaderOnly, (given) => {
      run(given);
      return {};
    });
  /** Checks that the client is an administrator, or that the data are its own. */
  const adminOr = (session: Session, isOwn: (user: string) => boolean): void => {
    const { user } = session.access();
    if (user === undefined || !isOwn(user)) session.access().admin();
  };

  return {
    '/auth/enable': change(Empty, () => auth.enable()),
    '/auth/disable': change(Empty, () => auth.disable()),
    '/auth/status': unary(Empty, AuthStatusResponse, (_, { header, access }) => {
      if (!version.has('3.7')) access().admin();
      return { header: header(), enabled: auth.enabled, authRevision: auth.revision };
    }),
    '/auth/authenticate': unary(AuthenticateRequest, AuthenticateResponse, ({ name, password }, { header }) => {
      const token = auth.authenticate(name, password);
      return { header: header(), token };
    }),

    '/auth/user/add': change(UserAddRequest, ({ name, password, options, hashedPassword }) =>
      auth.addUser(name, options?.noPassword === true || hashedPassword !== '' ? undefined : password),
    ),
    '/auth/user/get': unary(UserGetRequest, UserGetResponse, ({ name }, session) => {
      adminOr(session, (user) => user === name);
      return { header: session.header(), roles: auth.rolesOf(name) };
    }),
    '/auth/user/list': admin(Empty, UserListResponse, () => ({ users: auth.userNames() })),
    '/auth/user/delete': change(UserDeleteRequest, ({ name }) => auth.deleteUser(name)),
    '/auth/user/changepw': change(UserChangePasswordRequest, ({ name, password, hashedPassword }) =>
      auth.changePassword(name, hashedPassword === '' ? password : undefined),
    ),
    '/auth/user/grant': change(UserGrantRoleRequest, ({ user, role }) => auth.grantRole(user, role)),
    '/auth/user/revoke': change(UserRevokeRoleRequest, ({ name, role }) => auth.revokeRole(name, role)),

    '/auth/role/add': change(RoleAddRequest, ({ name }) => auth.addRole(name)),
    '/auth/role/get': unary(RoleGetRequest, RoleGetResponse, ({ role }, session) => {
      adminOr(session, (user) => auth.rolesOf(user).includes(role));
      return { header: session.header(), perm: auth.permissionsOf(role) };
    }),
    '/auth/role/list': admin(Empty, RoleListResponse, () => ({ roles: auth.roleNames() })),
    '/auth/role/delete': change(RoleDeleteRequest, ({ role }) => auth.deleteRole(role)),
    '/auth/role/grant': change(RoleGrantPermissionRequest, ({ name, perm }) => {
      auth.grantPermission(name, perm);
    }),
    // etcd 3.3 receives the range as plain text, and not in base64 as its API description says.
    '/auth/role/revoke': version.has('3.4')
      ? change(RoleRevokePermissionRequest, ({ role, ...range }) => auth.revokePermission(role, range))
      : change(roleRevokePermissionAsText.request, ({ role, key, rangeEnd }) =>
          auth.revokePermission(role, { key: toBytes(key), rangeEnd: toBytes(rangeEnd) }),
        ),
  };
}
