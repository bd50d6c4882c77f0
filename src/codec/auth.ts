import * as enums from '../model/responses.js';
import { Empty, HeaderOnly, ResponseHeader } from './common.js';
import { authenticateRpc } from './connection.js';
import { field, message } from './message.js';
import { rpc } from './descriptors.js';
import { array, bool, bytes, enumeration, maybe, string, uint64 } from './scalars.js';

/** A required name or password. etcd 3.3 crashes if a role has no name, and crashes again at each start. */
const needed = field(string, { required: true });

export const PermissionType = enumeration('PermissionType', enums.PermissionType);

/** The access of a role to a range of keys. */
export const Permission = message('Permission', {
  /** The type is required, as etcd would otherwise use `READ`. */
  permType: field(PermissionType, { wire: 'permType', required: true }),
  key: field(bytes, { required: true }),
  /** The first key after the range. It is empty for one key, and one zero byte for all keys from `key` on. */
  rangeEnd: bytes,
});

export const AuthStatusResponse = message('AuthStatusResponse', {
  header: field(ResponseHeader, { since: '3.5' }),
  enabled: field(bool, { since: '3.5' }),
  /** The revision of the store of users and roles. */
  authRevision: field(uint64, { wire: 'authRevision', since: '3.5' }),
});

export const UserAddOptions = message('UserAddOptions', {
  /** Whether the user authenticates only by certificate. */
  noPassword: field(bool, { since: '3.4' }),
});

export const UserAddRequest = message('UserAddRequest', {
  name: needed,
  password: string,
  options: field(maybe(UserAddOptions), { since: '3.4' }),
  /** The base64 of a bcrypt hash. It is used instead of a password. */
  hashedPassword: field(string, { wire: 'hashedPassword', since: '3.5' }),
});

export const UserGetRequest = message('UserGetRequest', { name: needed });
export const UserGetResponse = message('UserGetResponse', { header: ResponseHeader, roles: array(string) });
export const UserListResponse = message('UserListResponse', { header: ResponseHeader, users: array(string) });
export const UserDeleteRequest = message('UserDeleteRequest', { name: needed });

export const UserChangePasswordRequest = message('UserChangePasswordRequest', {
  name: needed,
  password: string,
  /** The base64 of a bcrypt hash. It is used instead of a password. */
  hashedPassword: field(string, { wire: 'hashedPassword', since: '3.5' }),
});

export const UserGrantRoleRequest = message('UserGrantRoleRequest', { user: needed, role: needed });
export const UserRevokeRoleRequest = message('UserRevokeRoleRequest', { name: needed, role: needed });

export const RoleAddRequest = message('RoleAddRequest', { name: needed });
export const RoleGetRequest = message('RoleGetRequest', { role: needed });
export const RoleGetResponse = message('RoleGetResponse', { header: ResponseHeader, perm: array(Permission) });
export const RoleListResponse = message('RoleListResponse', { header: ResponseHeader, roles: array(string) });
export const RoleDeleteRequest = message('RoleDeleteRequest', { role: needed });
export const RoleGrantPermissionRequest = message('RoleGrantPermissionRequest', {
  name: needed,
  perm: field(Permission, { required: true }),
});

/**
 * The request that revokes a permission. Since etcd 3.3, `key` and `rangeEnd` are bytes. In etcd 3.2 they are plain
 * text, and base64 would be read as a name.
 */
export const RoleRevokePermissionRequest = message('RoleRevokePermissionRequest', {
  role: needed,
  key: field(bytes, { since: '3.3' }),
  rangeEnd: field(bytes, { since: '3.3' }),
});

export const authRpcs = {
  enable: rpc({ name: 'Auth.AuthEnable', path: '/auth/enable', request: Empty, response: HeaderOnly, safety: 'write' }),
  disable: rpc({ name: 'Auth.AuthDisable', path: '/auth/disable', request: Empty, response: HeaderOnly, safety: 'write' }),
  status: rpc({
    name: 'Auth.AuthStatus',
    path: '/auth/status',
    request: Empty,
    response: AuthStatusResponse,
    safety: 'read',
    since: '3.5',
  }),
  authenticate: authenticateRpc,
  userAdd: rpc({ name: 'Auth.UserAdd', path: '/auth/user/add', request: UserAddRequest, response: HeaderOnly, safety: 'write' }),
  userGet: rpc({ name: 'Auth.UserGet', path: '/auth/user/get', request: UserGetRequest, response: UserGetResponse, safety: 'read' }),
  userList: rpc({ name: 'Auth.UserList', path: '/auth/user/list', request: Empty, response: UserListResponse, safety: 'read' }),
  userDelete: rpc({
    name: 'Auth.UserDelete',
    path: '/auth/user/delete',
    request: UserDeleteRequest,
    response: HeaderOnly,
    safety: 'write',
  }),
  userChangePassword: rpc({
    name: 'Auth.UserChangePassword',
    path: '/auth/user/changepw',
    request: UserChangePasswordRequest,
    response: HeaderOnly,
    safety: 'write',
  }),
  userGrantRole: rpc({
    name: 'Auth.UserGrantRole',
    path: '/auth/user/grant',
    request: UserGrantRoleRequest,
    response: HeaderOnly,
    safety: 'write',
  }),
  userRevokeRole: rpc({
    name: 'Auth.UserRevokeRole',
    path: '/auth/user/revoke',
    request: UserRevokeRoleRequest,
    response: HeaderOnly,
    safety: 'write',
  }),
  roleAdd: rpc({ name: 'Auth.RoleAdd', path: '/auth/role/add', request: RoleAddRequest, response: HeaderOnly, safety: 'write' }),
  roleGet: rpc({ name: 'Auth.RoleGet', path: '/auth/role/get', request: RoleGetRequest, response: RoleGetResponse, safety: 'read' }),
  roleList: rpc({ name: 'Auth.RoleList', path: '/auth/role/list', request: Empty, response: RoleListResponse, safety: 'read' }),
  roleDelete: rpc({
    name: 'Auth.RoleDelete',
    path: '/auth/role/delete',
    request: RoleDeleteRequest,
    response: HeaderOnly,
    safety: 'write',
  }),
  roleGrantPermission: rpc({
    name: 'Auth.RoleGrantPermission',
    path: '/auth/role/grant',
    request: RoleGrantPermissionRequest,
    response: HeaderOnly,
    safety: 'write',
  }),
  roleRevokePermission: rpc({
    name: 'Auth.RoleRevokePermission',
    path: '/auth/role/revoke',
    request: RoleRevokePermissionRequest,
    response: HeaderOnly,
    safety: 'write',
  }),
} as const;

const RevokePermissionAsText = message('RoleRevokePermissionRequest', { role: string, key: string, rangeEnd: string });

/**
 * The RPC with the request that etcd 3.3 really accepts, which its swagger file describes differently. It is not in
 * `authRpcs`, as a test compares that object with the swagger files.
 */
export const roleRevokePermissionAsText = { ...authRpcs.roleRevokePermission, request: RevokePermissionAsText };
