/**
 * Lets one tab of a browser show each toast: the first that claims its event.
 *
 * A claim is one IndexedDB transaction that adds the event's key. It is atomic over processes; a ring in localStorage
 * under a Web Lock is not (three tabs of eight read a stale copy: a third of the toasts came twice).
 */

/** @import { Identity } from './token.js' */

const DATABASE = 'bellwire';
const STORE = 'shown';
/** The most keys that are kept, over all users and environments of this browser. */
const MAX_KEYS = 1000;

/** Claims events for this tab. */
export class ToastClaims {
  #owner;
  #timeout;
  /** @type {Promise<IDBDatabase> | null} */
  #database = null;

  /**
   * @param {Identity} identity of the toasts' user
   * @param {number} [timeout] milliseconds; a storage that does not answer must not swallow a toast
   */
  constructor(identity, timeout = 500) {
    this.#owner = `${identity.environment}/${identity.user}`;
    this.#timeout = timeout;
  }

  /**
   * Claims events and returns the keys that no other tab has claimed; without storage, all of them.
   * @param {string[]} keys
   * @returns {Promise<Set<string>>}
   */
  async claim(keys) {
    const claimed = this.#claim(keys).catch(() => new Set(keys));
    /** @type {Promise<Set<string>>} */
    const late = new Promise((resolve) => setTimeout(resolve, this.#timeout, new Set(keys)));
    return Promise.race([claimed, late]);
  }

  close() {
    this.#database?.then((database) => database.close(), () => {});
    this.#database = null;
  }

  #open() {
    const reset = () => (this.#database = null);
    this.#database ??= openDatabase(reset);
    this.#database.catch(reset);
    return this.#database;
  }

  /** @param {string[]} keys @returns {Promise<Set<string>>} */
  async #claim(keys) {
    const database = await this.#open();
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, 'readwrite', { durability: 'relaxed' });
      const store = transaction.objectStore(STORE);
      const claimed = new Set(keys);
      for (const key of claimed) {
        const added = store.add({ at: Date.now() }, [this.#owner, key]);
        added.onerror = (event) => {
          event.preventDefault(); // claimed by another tab: no reason to abort the rest
          claimed.delete(key);
        };
      }
      deleteOldest(store);
      transaction.oncomplete = () => resolve(claimed);
      transaction.onabort = () => reject(transaction.error);
    });
  }
}

/** @param {IDBObjectStore} store */
function deleteOldest(store) {
  const count = store.count();
  count.onsuccess = () => {
    let left = count.result - MAX_KEYS;
    if (left <= 0) return;
    const oldest = store.index('at').openCursor();
    oldest.onsuccess = () => {
      if (!oldest.result || left-- <= 0) return;
      oldest.result.delete();
      oldest.result.continue();
    };
  };
}

/** @param {() => void} onClosed @returns {Promise<IDBDatabase>} */
function openDatabase(onClosed) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE).createIndex('at', 'at');
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('another version of the page holds the storage'));
    request.onsuccess = () => {
      const database = request.result;
      database.onclose = onClosed;
      database.onversionchange = () => {
        database.close();
        onClosed();
      };
      resolve(database);
    };
  });
}
