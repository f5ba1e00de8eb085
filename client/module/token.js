/** The caller's token: fetched once, kept, and fetched again when the gateway refuses it. */

/** A token that cannot be fetched or used; `message` is for people. */
export class TokenError extends Error {
  name = 'TokenError';
}

/** @typedef {{ environment: string, user: string }} Identity the subject of a token */

/** Caches one user's token. */
export class TokenSource {
  #fetchToken;
  /** @type {Promise<string> | null} */
  #current = null;

  /** @param {() => Promise<string> | string} fetchToken returns a valid token */
  constructor(fetchToken) {
    this.#fetchToken = fetchToken;
  }

  /** The token; concurrent callers share one fetch. */
  get() {
    this.#current ??= this.#fetch();
    return this.#current;
  }

  /**
   * Drops a token that was refused, so that the next `get` fetches another.
   * @param {string} refused the token that was sent; a newer one stays
   */
  async invalidate(refused) {
    const current = await this.#current?.catch(() => null);
    if (current === refused) this.#current = null;
  }

  async #fetch() {
    try {
      const token = await this.#fetchToken();
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
  const claims = claimsOf(token);
  return { environment: text(claims.env), user: text(claims.sub) };
}

/** When a JWT ends, in milliseconds since 1970, if it says so. @param {string} token */
export function expiryOf(token) {
  const { exp } = claimsOf(token);
  return typeof exp === 'number' ? exp * 1000 : undefined;
}

/** @param {string} token @returns {Record<string, unknown>} */
function claimsOf(token) {
  try {
    const body = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(body), (c) => c.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) ?? {};
  } catch {
    return {};
  }
}

/** @param {unknown} value */
function text(value) {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
