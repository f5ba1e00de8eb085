/**
 * Locks of all tabs of a browser where there are no Web Locks: on pages over plain http.
 *
 * A lease is an entry in `localStorage` that its tab renews; one that is not renewed is free, so that a crashed tab frees
 * it. A tab that waits says so in another entry. Two tabs may take one at the same moment: the one that wrote last has it.
 */

const RENEW_INTERVAL = 1_000; // hidden tabs are woken once a second
const TERM = 5_000;
const SETTLING = 100;
const RETRY_INTERVAL = 250;
/** Milliseconds for which it counts that a tab has said that it waits. */
const WAITING = 2_500;

/** @typedef {{ id: string, until: number }} Lease */
/** @typedef {{ name: string, release: () => void, isWanted: () => boolean }} TakenLease */

/** The leases of these names. */
export class TabLeases {
  #names;
  #waiting;
  /** It leaves one to a tab that waits, and lets that come before. */
  #hasYielded = false;
  #id = Math.random().toString(36).slice(2);

  /** @param {string[]} names */
  constructor(names) {
    this.#names = names;
    this.#waiting = `${names[0]}:waiting`;
  }

  /** True where a page may use the storage. */
  static get areOffered() {
    try {
      localStorage.removeItem('bellwire:stream:offered');
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Waits for whichever is free first; those that wait already come before.
   * @param {AbortSignal} signal stops waiting
   * @returns {Promise<TakenLease>}
   */
  async take(signal) {
    const isPolite = this.#hasYielded || this.#someoneWaits();
    this.#hasYielded = false;
    if (isPolite) await pause(2 * RETRY_INTERVAL, signal);
    for (;;) {
      const name = this.#names.find((name) => !isHeld(read(name)));
      if (name !== undefined && (await this.#settles(name, signal))) return this.#taken(name);
      if (name === undefined) write(this.#waiting, { id: this.#id, until: Date.now() + WAITING });
      await pause(RETRY_INTERVAL * (0.5 + Math.random()), signal);
    }
  }

  #someoneWaits() {
    const waiting = read(this.#waiting);
    return isHeld(waiting) && waiting?.id !== this.#id;
  }

  /** @param {string} name @param {AbortSignal} signal */
  async #settles(name, signal) {
    this.#renew(name);
    await pause(SETTLING * (1 + Math.random()), signal);
    return this.#has(name);
  }

  /** @param {string} name */
  #has(name) {
    return read(name)?.id === this.#id;
  }

  /** @param {string} name */
  #renew(name) {
    write(name, { id: this.#id, until: Date.now() + TERM });
  }

  /** @param {string} name @returns {TakenLease} */
  #taken(name) {
    const timer = setInterval(() => this.#has(name) && this.#renew(name), RENEW_INTERVAL);
    return {
      name,
      release: () => {
        clearInterval(timer);
        if (this.#has(name)) localStorage.removeItem(name);
      },
      // The first that asks leaves its lease: the others need not leave theirs for the same tab.
      isWanted: () => {
        if (!this.#has(name)) return true;
        const wanted = this.#someoneWaits();
        if (wanted) localStorage.removeItem(this.#waiting);
        this.#hasYielded = wanted;
        return wanted;
      },
    };
  }
}

/** @param {Lease | null} lease */
function isHeld(lease) {
  // A clock that was set back must not hold it for long.
  return lease !== null && lease.until > Date.now() && lease.until <= Date.now() + 2 * TERM;
}

/** @param {string} name @returns {Lease | null} */
function read(name) {
  try {
    return JSON.parse(localStorage.getItem(name) ?? 'null');
  } catch {
    return null;
  }
}

/** @param {string} name @param {Lease} lease */
function write(name, lease) {
  localStorage.setItem(name, JSON.stringify(lease));
}

/** @param {number} milliseconds @param {AbortSignal} signal @returns {Promise<void>} */
function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
