/** The time that a token lives without a call, in milliseconds. */
const TTL_MS = 300_000;

interface Token {
  readonly user: string;
  /** The revision of users and roles when it was created. */
  readonly revision: number;
  expiry: number;
}

/** Holds etcd's simple tokens, which live for five minutes from their last use. */
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

  /** Returns a token, whose time then begins again; undefined if it is not valid. */
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
