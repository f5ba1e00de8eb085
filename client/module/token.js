/** The caller's token: asked for once, kept, and asked for again when the gateway refuses it. */

/** A token that cannot be had or used; `message` is for people. */
export class TokenError extends Error {
  name = 'TokenError';
}

/**
 * Who a token speaks for.
 * @typedef {{ environment: string, user: string }} Identity
 */

/** Holds one person's token. */
export class TokenSource {
  #ask;
  /** @type {Promise<string> | null} */
  #current = null;

  /** @param {() => Promise<string> | string} ask gives a token that is good now */
  constructor(ask) {
    this.#ask = ask;
  }

  /** The token; several callers share one question. */
  get() {
    this.#current ??= this.#fetch();
    return this.#current;
  }

  /**
   * Forgets a token that was refused; the next `get` asks for a fresh one.
   * @param {string} refused what was sent, so that a fresh one is not forgotten by a late answer
   */
  async forget(refused) {
    const current = await this.#current?.catch(() => null);
    if (current === refused) this.#current = null;
  }

  async #fetch() {
    try {
      const token = await this.#ask();
      if (typeof token !== 'string' || token === '') throw new TokenError('no token was given');
      return token;
    } catch (error) {
      this.#current = null;
      if (error instanceof TokenError) throw error;
      throw new TokenError(`no token: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }
}

/**
 * Reads environment and user from a JWT. Nothing is verified: the gateway does that.
 * @param {string} token
 * @returns {Partial<Identity>}
 */
export function identityOf(token) {
  try {
    const body = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(body), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return { environment: text(claims.env), user: text(claims.sub) };
  } catch {
    return {};
  }
}

/** @param {unknown} value */
function text(value) {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
