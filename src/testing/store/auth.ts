import type { Permission as PermissionCodec } from '../../codec/auth.js';
import type { DecodedBy } from '../../codec/descriptors.js';
import { type Key, type KeySpan, keyOf, spanOf } from './keys.js';
import { refusal } from './refusal.js';
import type { Traits } from './traits.js';

/**
 * The permissions of the client that makes a call. Each function throws the server's error if the client lacks the
 * permission.
 */
export interface Access {
  /** The name of the user; undefined while auth is disabled. */
  readonly user: string | undefined;
  /** Checks that the token of the client is valid, if the client has one. */
  known(): void;
  /** Checks that the client has a valid token. */
  identified(): void;
  read(span: KeySpan): void;
  write(span: KeySpan): void;
  /** Checks that the user has the role `root`. */
  admin(): void;
}

export type Permission = DecodedBy<typeof PermissionCodec>;

/** The name of the user and of the role that have all permissions. */
const ROOT = 'root';

interface User {
  /** The password; undefined for a user without a password, or with a password of which only the hash is known. */
  password: string | undefined;
  readonly roles: Set<string>;
}

/** Holds users, roles and permissions, and decides what a client is allowed to do. */
export class Auth {
  readonly tokens: Tokens;
  private readonly users = new Map<string, User>();
  private readonly roles = new Map<string, Permission[]>();
  private on = false;
  private changes = 1;

  constructor(
    private readonly traits: Traits,
    now: () => number,
    private readonly jwt: boolean,
  ) {
    this.tokens = new Tokens(now);
  }

  get enabled(): boolean {
    return this.on;
  }

  /** The revision of users, roles and permissions. */
  get revision(): number {
    return this.changes;
  }

  enable(): void {
    if (this.on) return;
    const root = this.users.get(ROOT);
    if (root === undefined) throw refusal('RootUserNotExist');
    if (!root.roles.has(ROOT)) throw refusal('RootRoleNotExist');
    this.on = true;
  }

  disable(): void {
    if (!this.on) return;
    this.on = false;
    this.changed();
    this.tokens.clear();
  }

  /** Creates a token for a user. */
  authenticate(name: string, password: string): string {
    if (!this.on) throw refusal('AuthNotEnabled');
    const user = this.users.get(name);
    if (user?.password === undefined || user.password !== password) throw refusal('AuthFailed');
    return this.tokens.create(name, this.changes);
  }

  /** Returns the permissions of a client that has this token. */
  access(token: string | undefined, isTrusted = false): Access {
    if (!this.on || isTrusted) {
      return { user: undefined, known: allowed, identified: allowed, read: allowed, write: allowed, admin: allowed };
    }
    const known = (): string | undefined => {
      if (token === undefined) return undefined;
      const found = this.tokens.use(token);
      if (found === undefined) throw refusal('InvalidAuthToken');
      return found.user;
    };
    /**
     * Returns the user of the token. A JWT token is rejected if users, roles or permissions have changed since its
     * creation.
     */
    const current = (): string | undefined => {
      const user = known();
      const isOld = this.jwt && token !== undefined && (this.tokens.use(token)?.revision ?? 0) < this.changes;
      if (isOld) throw refusal('AuthOldRevision');
      return user;
    };
    return {
      get user() {
        return known();
      },
      known: () => void known(),
      identified: () => {
        if (known() === undefined) throw refusal('UserEmpty');
      },
      read: (span) => this.check(current(), span, 'READ'),
      write: (span) => this.check(current(), span, 'WRITE'),
      admin: () => {
        const user = known();
        if (user === undefined) throw refusal('UserEmpty');
        if (this.users.get(user)?.roles.has(ROOT) !== true) throw refusal('PermissionDenied');
      },
    };
  }

  private check(name: string | undefined, span: KeySpan, wanted: 'READ' | 'WRITE'): void {
    if (name === undefined) throw refusal('UserEmpty');
    const user = this.users.get(name);
    if (user === undefined) throw refusal('PermissionDenied');
    if (user.roles.has(ROOT)) return;
    const permissions = [...user.roles].flatMap((role) => this.roles.get(role) ?? []);
    const spans = permissions.filter(({ permType }) => permType === wanted || permType === 'READWRITE').map(spanOf);
    if (!covers(spans, span)) throw refusal('PermissionDenied');
  }

  addUser(name: string, password: string | undefined): void {
    if (name === '') throw refusal('UserEmpty');
    if (this.users.has(name)) throw refusal('UserAlreadyExist');
    this.users.set(name, { password, roles: new Set() });
    this.changed();
  }

  deleteUser(name: string): void {
    if (this.on && name === ROOT) throw refusal('InvalidAuthMgmt');
    this.user(name);
    this.users.delete(name);
    this.tokens.removeOf(name);
    this.changed();
  }

  changePassword(name: string, password: string | undefined): void {
    this.user(name).password = password;
    this.tokens.removeOf(name);
    this.changed();
  }

  userNames(): readonly string[] {
    return [...this.users.keys()].sort();
  }

  /** Returns the roles of a user, sorted. */
  rolesOf(name: string): readonly string[] {
    return [...this.user(name).roles].sort();
  }

  grantRole(name: string, role: string): void {
    const { roles } = this.user(name);
    if (role !== ROOT && !this.roles.has(role)) throw refusal('RoleNotFound');
    if (roles.has(role)) return;
    roles.add(role);
    this.changed();
  }

  revokeRole(name: string, role: string): void {
    if (this.on && name === ROOT && role === ROOT) throw refusal('InvalidAuthMgmt');
    if (!this.user(name).roles.delete(role)) throw refusal('RoleNotGranted');
    this.changed();
  }

  addRole(name: string): void {
    if (name === '') throw refusal('RoleEmpty');
    if (this.roles.has(name)) throw refusal('RoleAlreadyExist');
    this.roles.set(name, []);
    this.changed();
  }

  deleteRole(name: string): void {
    if (this.on && name === ROOT) throw refusal('InvalidAuthMgmt');
    if (!this.roles.delete(name)) throw refusal('RoleNotFound');
    for (const { roles } of this.users.values()) roles.delete(name);
    this.changed();
  }

  roleNames(): readonly string[] {
    return [...this.roles.keys()].sort();
  }

  permissionsOf(role: string): readonly Permission[] {
    return this.role(role);
  }

  /** Sets the permission of a role for a range. The permissions of a role are sorted by key. */
  grantPermission(name: string, granted: Permission): void {
    const { from, to } = spanOf(granted);
    if (this.traits.checksPermissionRange && to !== undefined && from >= to) throw refusal('InvalidAuthMgmt');
    const role = this.role(name);
    const place = role.findIndex((permission) => isSameRange(permission, granted));
    if (place >= 0) role[place] = granted;
    else role.push(granted);
    role.sort((a, b) => (keyOf(a.key) < keyOf(b.key) ? -1 : 1));
    this.changed();
  }

  revokePermission(name: string, range: Pick<Permission, 'key' | 'rangeEnd'>): void {
    const role = this.role(name);
    const place = role.findIndex((permission) => isSameRange(permission, range));
    if (place < 0) throw refusal('PermissionNotGranted');
    role.splice(place, 1);
    this.changed();
  }

  private user(name: string): User {
    const user = this.users.get(name);
    if (user === undefined) throw refusal('UserNotFound');
    return user;
  }

  private role(name: string): Permission[] {
    const role = this.roles.get(name);
    if (role === undefined) throw refusal('RoleNotFound');
    return role;
  }

  private changed(): void {
    this.changes += 1;
  }
}

const allowed = (): void => undefined;

const isSameRange = (a: Pick<Permission, 'key' | 'rangeEnd'>, b: Pick<Permission, 'key' | 'rangeEnd'>): boolean =>
  keyOf(a.key) === keyOf(b.key) && keyOf(a.rangeEnd) === keyOf(b.rangeEnd);

/**
 * Returns whether several spans together contain all keys of another span. For an empty range, the result is the same
 * as in etcd.
 */
function covers(spans: readonly KeySpan[], { from, to }: KeySpan): boolean {
  const isBelow = (end: Key | undefined, key: Key): boolean => end !== undefined && end <= key;
  const meeting = spans.filter((span) => !(from < span.from && isBelow(to, span.from)) && !isBelow(span.to, from));
  const [first, ...others] = meeting.sort((a, b) => (a.from < b.from ? -1 : 1));
  if (first === undefined || first.from > from) return false;
  let reached = first.to;
  for (const span of others) {
    if (reached === undefined) break;
    if (span.from > reached) return false;
    if (span.to === undefined || span.to > reached) reached = span.to;
  }
  return reached === undefined || isBelow(to, reached);
}

/** The time from the last use of a token until it expires, in milliseconds. */
const TTL_MS = 300_000;

interface Token {
  readonly user: string;
  /** The revision of users and roles when the token was created. */
  readonly revision: number;
  expiry: number;
}

/** Holds etcd's simple tokens. A token expires five minutes after its last use. */
export class Tokens {
  private readonly byText = new Map<string, Token>();
  private last = 0;

  constructor(private readonly now: () => number) {}

  create(user: string, revision: number): string {
    this.last += 1;
    const text = `memory${String(this.last).padStart(10, '0')}.${this.last}`;
    this.byText.set(text, { user, revision, expiry: this.now() + TTL_MS });
    return text;
  }

  /** Returns a token, and extends its time. Returns undefined if the token is not valid. */
  use(text: string): Pick<Token, 'user' | 'revision'> | undefined {
    const token = this.byText.get(text);
    if (token === undefined || token.expiry <= this.now()) return undefined;
    token.expiry = this.now() + TTL_MS;
    return token;
  }

  /** Removes the tokens of a user. */
  removeOf(user: string): void {
    for (const [text, token] of this.byText) if (token.user === user) this.byText.delete(text);
  }

  clear(): void {
    this.byText.clear();
  }
}
