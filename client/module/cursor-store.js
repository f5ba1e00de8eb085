/** The cursor over page loads of one tab: what happens between two pages is not missed. */

/** Keeps a tab's place in sessionStorage, per gateway, environment and person. */
export class Remembered {
  #key;

  /** @param {URL} url where the events are @param {import('./token.js').Identity} identity */
  constructor(url, { environment, user }) {
    this.#key = `bellwire:cursor:${url.href}:${environment}/${user}`;
  }

  /** @returns {string | null} */
  load() {
    try {
      return sessionStorage.getItem(this.#key);
    } catch {
      return null; // storage is refused here; the tab begins at now
    }
  }

  /** @param {string | null} cursor */
  save(cursor) {
    try {
      if (cursor === null) sessionStorage.removeItem(this.#key);
      else sessionStorage.setItem(this.#key, cursor);
    } catch {
      // Nowhere to remember it.
    }
  }
}
