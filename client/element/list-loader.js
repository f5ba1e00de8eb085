/** When a list is loaded: with its connection, once events come, and after a gap. */

/** One load at a time; what is asked for meanwhile is one more. */
export class Loading {
  #eachTime;
  #load;
  #failed;
  /** @type {import('../module/connection.js').Connection | null} */
  #connection = null;
  #listening = new AbortController();
  /** Whether it was loaded since events come: then nothing lies between the two. */
  #joined = false;
  #under = false;
  #again = false;

  /**
   * @param {(connection: import('../module/connection.js').Connection, signal: AbortSignal) => Promise<void>} load
   *   its signal says that the list is somebody else's by now
   * @param {(error: unknown) => void} failed
   * @param {{ eachTime?: boolean }} [how] whether it is loaded each time the connection is live again: no event tells of it
   */
  constructor(load, failed, { eachTime = false } = {}) {
    this.#eachTime = eachTime;
    this.#load = load;
    this.#failed = failed;
  }

  /**
   * Follows another connection, or none.
   * @param {import('../module/connection.js').Connection | null} connection
   * @returns {AbortSignal} aborted when it follows yet another
   */
  follow(connection) {
    this.#listening.abort();
    this.#listening = new AbortController();
    this.#connection = connection;
    this.#under = this.#again = false;
    const { signal } = this.#listening;
    if (!connection) return signal;
    connection.addEventListener('gap', () => this.reload(), { signal });
    connection.addEventListener('state', () => this.#stateChanged(), { signal });
    this.#joined = connection.state.state === 'live';
    this.reload();
    return signal;
  }

  /** Loads it afresh. */
  async reload() {
    if (this.#under) {
      this.#again = true;
      return;
    }
    const [connection, { signal }] = [this.#connection, this.#listening];
    if (!connection) return;
    this.#under = true;
    try {
      await this.#load(connection, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#joined = false; // the next time it is live, it is tried again
      this.#failed(error);
    }
    if (signal.aborted) return;
    this.#under = false;
    if (!this.#again) return;
    this.#again = false;
    await this.reload();
  }

  #stateChanged() {
    if (this.#connection?.state.state !== 'live' || (this.#joined && !this.#eachTime)) return;
    this.#joined = true;
    this.reload();
  }
}
