/**
 * One toast, many tabs: whoever claims an event first shows it.
 *
 * The claim is one IndexedDB transaction that adds the event's name. It is atomic over processes; a ring in
 * localStorage under a Web Lock is not (three tabs of eight read a stale copy: a third of the toasts came twice).
 */

const DATABASE = 'bellwire';
const STORE = 'shown';
/** So many names are remembered, over all people and environments of this browser. */
const REMEMBERED = 1000;

/** Claims events for this browser. */
export class Claims {
  #owner;
  #limit;
  /** @type {Promise<IDBDatabase> | null} */
  #database = null;

  /**
   * @param {import('./token.js').Identity} identity whose toasts they are
   * @param {number} limit milliseconds; a storage that does not answer must not swallow a toast
   */
  constructor(identity, limit = 500) {
    this.#owner = `${identity.environment}/${identity.user}`;
    this.#limit = limit;
  }

  /**
   * Which of these are this tab's to show: those that no tab has shown. Without storage all of them are.
   * @param {string[]} names
   * @returns {Promise<Set<string>>}
   */
  async take(names) {
    const claimed = this.#take(names).catch(() => new Set(names));
    const late = new Promise((resolve) => setTimeout(resolve, this.#limit, new Set(names)));
    return /** @type {Promise<Set<string>>} */ (Promise.race([claimed, late]));
  }

  close() {
    this.#database?.then((database) => database.close(), () => {});
    this.#database = null;
  }

  #open() {
    const again = () => (this.#database = null);
    this.#database ??= openDatabase(again);
    this.#database.catch(again);
    return this.#database;
  }

  /** @param {string[]} names @returns {Promise<Set<string>>} */
  async #take(names) {
    const database = await this.#open();
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, 'readwrite', { durability: 'relaxed' });
      const store = transaction.objectStore(STORE);
      const mine = new Set(names);
      for (const name of mine) {
        const added = store.add({ at: Date.now() }, [this.#owner, name]);
        added.onerror = (event) => {
          event.preventDefault(); // somebody has shown it: no reason to abort the rest
          mine.delete(name);
        };
      }
      forgetOldest(store);
      transaction.oncomplete = () => resolve(mine);
      transaction.onabort = () => reject(transaction.error);
    });
  }
}

/** @param {IDBObjectStore} store */
function forgetOldest(store) {
  const count = store.count();
  count.onsuccess = () => {
    let left = count.result - REMEMBERED;
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
