/** Keeps a tab's cursor over page loads, so that events between two pages are not missed. */

/** @import { Identity } from './token.js' */

/** The cursor in sessionStorage, per gateway, environment and user. */
export class CursorStore {
  #key;

  /** @param {URL} url of the events @param {Identity} identity */
  constructor(url, { environment, user }) {
    this.#key = `bellwire:cursor:${url.href}:${environment}/${user}`;
  }

  /** @returns {string | null} */
  load() {
    try {
      return sessionStorage.getItem(this.#key);
    } catch {
      return null; // storage is refused: the tab starts at now
    }
  }

  /** @param {string | null} cursor */
  save(cursor) {
    try {
      if (cursor === null) sessionStorage.removeItem(this.#key);
      else sessionStorage.setItem(this.#key, cursor);
    } catch {
      // Storage is refused or full.
    }
  }
}
